/** Settings that several commands share. They stand at the top level of the file, without a table. */
import Type from 'typebox'
import { defaultCluster } from '../../protocol/subjects.ts'
import { usage } from './errors.ts'

/** Where a broker is looked for. */
export const defaultNatsUrl = 'nats://127.0.0.1:4222'

/** How to reach a cluster. */
export const connectionSettings = {
  nats_url: Type.String({
    description: 'addresses of NATS servers, separated by commas',
    default: defaultNatsUrl,
    flag: 'nats',
    placeholder: 'URL',
  }),
  nats_credentials: Type.String({
    description: 'credentials file for NATS; none if empty',
    default: '',
    placeholder: 'FILE',
  }),
  cluster: Type.String({
    description: 'name of the cluster',
    default: defaultCluster,
    placeholder: 'NAME',
  }),
  request_timeout_ms: Type.Integer({
    description: 'how long an answer may take, in milliseconds',
    default: 5000,
    minimum: 1,
    placeholder: 'MS',
  }),
}

/** How results are printed. */
export const outputSettings = {
  output: Type.Enum(['table', 'wide', 'json', 'name'], {
    description: 'how to print: table, wide (more columns), json (documents), name (ids only)',
    default: 'table',
    short: 'o',
  }),
}

/** For what is worth watching. */
export const watchSettings = {
  watch: Type.Boolean({
    description: 'print again and again until interrupted',
    default: false,
    short: 'w',
  }),
  interval_ms: Type.Integer({
    description: 'how often to look with --watch, in milliseconds',
    default: 2000,
    minimum: 100,
    placeholder: 'MS',
  }),
}

/** For what cannot be undone. */
export const yesSetting = {
  yes: Type.Boolean({
    description: 'do it although it cannot be undone',
    default: false,
    short: 'y',
  }),
}

/**
 * Goes on only with `--yes`.
 * @param consequence what would happen, for the sentence
 * @throws CommandError USAGE
 */
export function confirmed({ yes }: { readonly yes: boolean }, consequence: string): void {
  if (!yes) throw usage(`--yes: is needed here, for ${consequence}`)
}

/** How a node logs. */
export const logSettings = {
  log_level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    description: 'least important lines that are logged',
    default: 'info',
  }),
  log_format: Type.Enum(['auto', 'json', 'pretty'], {
    description: 'lines of JSON, or text for people; auto: text on a terminal',
    default: 'auto',
  }),
}

/** Where settings come from. Not itself in the file. */
export const configSetting = {
  config: Type.String({
    description: 'configuration file (default: ./meseta.toml, else ~/.config/meseta/config.toml)',
    default: '',
    placeholder: 'FILE',
  }),
}
