/**
 * How fast life goes in a world. `brisk`: what a cluster waits for is so short that minutes of chaos show what
 * takes days otherwise. `real`: it waits as long as Mesos' defaults say, for worlds that live for hours, so
 * that leaks, drifts and long timers show. Spec: simulation.md §7, §10, §15.
 */
import type { SchedulerOptions } from '../../src/framework/index.ts'

export const paces = ['brisk', 'storm', 'real'] as const
export type Pace = (typeof paces)[number]

/** What a pace decides; times in ms unless they say otherwise. */
export interface Settings {
  /** Options of the modules. */
  readonly master: object
  readonly agent: object
  /** How frameworks use the SDK. */
  readonly scheduler: Required<
    Pick<SchedulerOptions, 'retryMs' | 'retryMsMax' | 'silenceMs' | 'reconcileEveryMs'>
  >
  /** A framework that is away for longer is removed, s. */
  readonly failoverSeconds: number
  /** For how long a framework refuses what it has no use for, s: while it wants more, and else. */
  readonly refuseSeconds: { readonly wanting: number; readonly sated: number }
  /** Whether it takes that back when it wants more. */
  readonly isReviving: boolean
  /** After how long an init system starts a program again that has ended. */
  readonly restartMs: number
  /** The pauses of those who act from time to time are so many times as long as in a brisk world. */
  readonly idleFactor: number
  /** How long a master pings an agent before it gives it up, and an agent waits before it looks for another master. */
  readonly pingsMs: number
  /** Between two letters of a host (S2) at most. */
  readonly letterMs: number
  /** What must come to pass after the chaos does so within this time. */
  readonly settledMs: number
  /** How often is looked whether a phase is over, which takes a look at the whole cluster. */
  readonly lookMs: number
}

const minute = 60_000

const brisk: Settings = {
  master: {
    agent_ping_timeout_ms: 1000,
    max_agent_ping_timeouts: 3,
    agent_reregister_timeout_ms: 20_000,
    heartbeat_interval_ms: 3000,
    // An event that the broker loses is not told again: only this brings the offers in it back.
    offer_timeout_ms: 15_000,
  },
  agent: {
    registration_backoff_ms: 200,
    update_retry_min_ms: 500,
    update_retry_max_ms: 5000,
    executor_shutdown_grace_ms: 1000,
    executor_registration_timeout_ms: 10_000,
    executor_heartbeat_ms: 3000,
  },
  scheduler: { retryMs: 50, retryMsMax: 2000, silenceMs: 5000, reconcileEveryMs: 30_000 },
  failoverSeconds: 1_000_000,
  refuseSeconds: { wanting: 0.5, sated: 2 },
  isReviving: false,
  restartMs: 1000,
  idleFactor: 1,
  pingsMs: 3000,
  letterMs: 2000,
  settledMs: 3 * minute,
  lookMs: 20,
}

const settings: Readonly<Record<Pace, Settings>> = {
  brisk,
  // So much happens in one that nobody needs to make work for its own sake.
  storm: { ...brisk, refuseSeconds: { wanting: 1, sated: 5 }, letterMs: 5000 },
  real: {
    master: {
      offer_timeout_ms: 5 * minute,
      // Small enough for a world of hours to fill them.
      max_completed_frameworks: 3,
      max_completed_tasks_per_framework: 20,
      max_unreachable_tasks_per_framework: 20,
      registry_max_agent_age_ms: 30 * minute,
    },
    agent: { gc_delay_ms: 20 * minute },
    scheduler: { retryMs: 100, retryMsMax: 5000, silenceMs: 30_000, reconcileEveryMs: 15 * minute },
    failoverSeconds: 600,
    refuseSeconds: { wanting: 5, sated: 600 },
    isReviving: true,
    restartMs: 10_000,
    idleFactor: 60,
    pingsMs: 75_000,
    letterMs: 2 * minute,
    settledMs: 60 * minute,
    lookMs: 1000,
  },
}

export function settingsOf({ pace }: { readonly pace: Pace }): Settings {
  return settings[pace]
}
