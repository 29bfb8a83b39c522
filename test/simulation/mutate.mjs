/**
 * Loaded before the program (`node --import`), it changes one line of one of its modules; which one, an
 * environment variable says. The change is made in a loader's thread, which gets it as its data.
 */
import { register } from 'node:module'

const mutant = process.env.MESETA_MUTANT
if (mutant !== undefined) {
  register('./mutate-hook.mjs', import.meta.url, { data: JSON.parse(mutant) })
}
