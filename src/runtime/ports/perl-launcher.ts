/**
 * The launcher of recorded processes where there is Perl, which Debian and most other systems always have:
 * one small process that starts commands, watches them, and writes their records. It outlives its owner
 * until the last command has ended, so that no exit status is lost. To start a command costs one fork of a
 * few megabytes and one exec, where a shim each and a fork of Node cost three times as much.
 *
 * If it is killed, commands run on; those that it had started are watched from here and end without a known
 * exit status.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { ProcessError, type ProcessHandle, type SpawnOptions } from '../ports.ts'
import type { AwaitEnd } from './launcher.ts'
import { suffixes } from './record.ts'
import type { Exit } from './start-process.ts'

/**
 * Requests come as frames: length (4 bytes, big endian), then fields with NUL between: id, directory, record,
 * files of standard output and error (or empty), number of arguments, program and arguments, variables.
 * Answers are lines: `ready`; `ID started PID STARTTIME`; `ID failed ERRNO WHY`; `ID ended STATUS`.
 */
const program = `
use strict;
use POSIX ();
use Fcntl;
$0 = 'meseta-launcher';
my ($input, $output, $owned, %running) = ('', '', 1);
pipe my $woken, my $wake or die;
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = sub { syswrite $wake, 'x' };

sub answer { $output .= join(' ', @_) . "\\n" }

sub stat_of {
  open my $file, '<', "/proc/$_[0]/stat" or return '';
  return scalar <$file> // '';
}

sub out {
  my ($path) = @_;
  sysopen my $file, $path eq '' ? '/dev/null' : $path, O_WRONLY | O_CREAT | O_APPEND, 0644 or return;
  return $file;
}

sub begin {
  my ($id, $directory, $record, $stdout, $stderr, $count, @rest) = @_;
  my @command = splice @rest, 0, $count;
  -d $directory or return answer($id, 'failed', 2, "working directory $directory does not exist");
  my $out = out($stdout) or return answer($id, 'failed', $! + 0, "cannot open output $stdout: $!");
  my $err = out($stderr) or return answer($id, 'failed', $! + 0, "cannot open output $stderr: $!");
  sysopen my $claim, "$record${suffixes.shim}", O_WRONLY | O_CREAT | O_EXCL, 0644
    or return answer($id, 'failed', $! + 0, "cannot claim $record${suffixes.shim}: $!");
  # Here, because whatever the child changes costs it a copy of the page.
  %ENV = map { split /=/, $_, 2 } @rest;
  my $pid = fork;
  defined $pid or return answer($id, 'failed', $! + 0, "cannot fork: $!");
  become($directory, $record, $claim, $out, $err, \\@command) if $pid == 0;
  my @stat = split ' ', (stat_of($pid) =~ /.*\\) (.*)/)[0] // '';
  $running{$pid} = [$id, $record];
  answer($id, 'started', $pid, $stat[19] // 0);
}

sub become {
  my ($directory, $record, $claim, $out, $err, $command) = @_;
  POSIX::setsid();
  $SIG{PIPE} = $SIG{CHLD} = 'DEFAULT';
  POSIX::dup2(fileno $err, 2);
  syswrite $claim, stat_of('self') and link "$record${suffixes.shim}", "$record${suffixes.pid}"
    and chdir $directory or print STDERR "cannot begin: $!\\n" and POSIX::_exit(126);
  open STDIN, '<', '/dev/null';
  POSIX::dup2(fileno $out, 1);
  { no warnings; exec { $$command[0] } @$command }
  my $missing = $! == POSIX::ENOENT();
  print STDERR "$$command[0]: $!\\n";
  POSIX::_exit($missing ? 127 : 126);
}

sub ended {
  my ($pid, $status) = @_;
  my ($id, $record) = @{ delete $running{$pid} // return };
  kill 'KILL', -$pid;
  my $signal = $status & 127;
  my $code = $signal ? 128 + $signal : $status >> 8;
  if (open my $file, '>', "$record${suffixes.exit}") { print $file "$code\\n" }
  answer($id, 'ended', $code);
}

answer('ready');
while ($owned || %running) {
  while (length $output) {
    my $written = syswrite STDOUT, $output;
    if (defined $written) { substr($output, 0, $written) = '' }
    elsif ($! != POSIX::EINTR()) { $output = '' }
  }
  my $ready = '';
  vec($ready, fileno $woken, 1) = 1;
  vec($ready, 0, 1) = 1 if $owned;
  # A signal may come just before the wait begins, which it then does not end.
  if (select($ready, undef, undef, %running ? 0.25 : undef) > 0) {
    sysread $woken, my $drained, 4096 if vec($ready, fileno $woken, 1);
    if ($owned && vec($ready, 0, 1)) {
      my $read = sysread STDIN, $input, 65536, length $input;
      $owned = 0 if defined $read ? $read == 0 : $! != POSIX::EINTR();
      while (length $input >= 4) {
        my $size = unpack 'N', $input;
        last if length $input < 4 + $size;
        begin(split /\\0/, substr($input, 4, $size), -1);
        substr($input, 0, 4 + $size) = '';
      }
    }
  }
  while ((my $pid = waitpid -1, POSIX::WNOHANG()) > 0) { ended($pid, $?) }
}
`

interface Starting {
  readonly options: SpawnOptions
  readonly resolve: (handle: ProcessHandle | Promise<ProcessHandle>) => void
  readonly reject: (error: ProcessError) => void
}

interface Running {
  readonly pid: number
  readonly startTime: string
  readonly ended: (exit: Exit | Promise<Exit>) => void
}

const ENOENT = 2
const EACCES = 13

export class PerlLauncher {
  readonly #perl: string
  readonly #awaitEnd: AwaitEnd
  readonly #fallback: (options: SpawnOptions) => Promise<ProcessHandle>
  #process: ChildProcess | undefined
  #ready = false
  /** Perl is there but does not run the program: never again. */
  #broken = false
  #lastId = 0
  #line = ''
  readonly #starting = new Map<number, Starting>()
  readonly #running = new Map<number, Running>()

  /** @param fallback starts a recorded process if this Perl cannot */
  constructor(
    perl: string,
    awaitEnd: AwaitEnd,
    fallback: (options: SpawnOptions) => Promise<ProcessHandle>,
  ) {
    this.#perl = perl
    this.#awaitEnd = awaitEnd
    this.#fallback = fallback
  }

  /** Starts that have not been answered. */
  get starting(): number {
    return this.#starting.size
  }

  start(options: SpawnOptions): Promise<ProcessHandle> {
    if (this.#broken) return this.#fallback(options)
    const id = ++this.#lastId
    const frame = encode(id, options)
    if (frame === undefined) {
      const why = 'a NUL character cannot be given to a process'
      return Promise.reject(new ProcessError('SPAWN_FAILED', why))
    }
    return new Promise((resolve, reject) => {
      this.#starting.set(id, { options, resolve, reject })
      this.#send(frame)
    })
  }

  /** What is asked for in one turn of the event loop goes out in one write. */
  #send(frame: Buffer): void {
    const { stdin } = this.#launcher()
    if (stdin === null) return
    if (stdin.writableCorked === 0) {
      stdin.cork()
      setImmediate(() => stdin.uncork())
    }
    stdin.write(frame)
  }

  /** Forgets what runs; it runs on, and the launcher with it. */
  close(): void {
    const launcher = this.#process
    this.#process = undefined
    this.#running.clear()
    launcher?.stdin?.end()
  }

  #launcher(): ChildProcess {
    if (this.#process !== undefined) return this.#process
    const launcher = spawn(this.#perl, ['-e', program], {
      // A session of its own: Ctrl-C at the terminal is for its owner, who ends in order.
      detached: true,
      cwd: '/',
      env: {},
      // It may outlive its owner, and must not hold the other's terminal or log open.
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#ready = false
    this.#line = ''
    launcher.unref()
    for (const stream of [launcher.stdin, launcher.stdout]) {
      ;(stream as unknown as { unref(): void }).unref()
      stream?.on('error', () => this.#lost(launcher))
    }
    launcher.stdout.setEncoding('latin1').on('data', (text: string) => this.#receive(text))
    launcher.on('error', () => this.#lost(launcher))
    launcher.on('close', () => this.#lost(launcher))
    this.#process = launcher
    return launcher
  }

  #receive(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) {
      const [id = '', what, first = '', ...rest] = line.split(' ')
      if (id === 'ready') this.#ready = true
      else if (what === 'started') this.#started(Number(id), Number(first), rest[0] ?? '')
      else if (what === 'ended') {
        this.#running.get(Number(id))?.ended({ code: Number(first), signal: null })
        this.#running.delete(Number(id))
      } else if (what === 'failed') this.#refuse(Number(id), Number(first), rest.join(' '))
    }
  }

  #started(id: number, pid: number, startTime: string): void {
    const starting = this.#starting.get(id)
    if (starting === undefined) return
    this.#starting.delete(id)
    const exited = new Promise<Exit>((ended) => this.#running.set(id, { pid, startTime, ended }))
    starting.resolve({ pid, startTime, exited })
  }

  #refuse(id: number, errno: number, why: string): void {
    const code = errno === ENOENT ? 'NOT_FOUND' : errno === EACCES ? 'DENIED' : 'SPAWN_FAILED'
    this.#starting.get(id)?.reject(new ProcessError(code, why))
    this.#starting.delete(id)
  }

  #lost(launcher: ChildProcess): void {
    if (this.#process !== launcher) return
    this.#process = undefined
    const starting = [...this.#starting.values()]
    this.#starting.clear()
    if (this.#ready) {
      for (const { reject } of starting)
        reject(new ProcessError('SPAWN_FAILED', 'the launcher ended'))
    } else {
      this.#broken = true
      for (const { options, resolve } of starting) resolve(this.#fallback(options))
    }
    for (const { pid, startTime, ended } of this.#running.values()) {
      ended(this.#awaitEnd(pid, startTime))
    }
    this.#running.clear()
  }
}

/** Undefined if a field holds what separates fields. */
function encode(id: number, options: SpawnOptions): Buffer | undefined {
  const { command, args, cwd, env, record = '', stdoutPath = '', stderrPath = '' } = options
  const fields = [String(id), cwd, record, stdoutPath, stderrPath, String(args.length + 1)]
  fields.push(command, ...args)
  for (const [name, value] of Object.entries(env)) fields.push(`${name}=${value}`)
  if (fields.some((field) => field.includes('\0'))) return undefined
  const payload = Buffer.from(fields.join('\0'))
  const frame = Buffer.allocUnsafe(4 + payload.length)
  frame.writeUInt32BE(payload.length)
  payload.copy(frame, 4)
  return frame
}
