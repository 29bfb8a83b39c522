/**
 * Loaded before the program (`node --import`), it changes lines of its modules; which ones, an
 * environment variable says. The change is made in a loader's thread, which gets it as its data.
 */
import { register } from 'node:module'

const changes = process.env.MESETA_MUTANT
if (changes !== undefined) {
  register('./mutate-hook.mjs', import.meta.url, { data: JSON.parse(changes) })
}
