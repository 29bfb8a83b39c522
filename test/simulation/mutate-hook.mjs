/** The loader of `mutate.mjs`: hands out the changed source of one module. */
let mutant = { file: '', find: '', replace: '' }

export function initialize(data) {
  mutant = data
}

export async function load(url, context, next) {
  const loaded = await next(url, context)
  if (!url.split('?')[0].endsWith(`/${mutant.file}`)) return loaded
  const source = Buffer.from(loaded.source).toString()
  if (!source.includes(mutant.find)) throw new Error(`${mutant.file} does not hold ${mutant.find}`)
  return { ...loaded, source: source.replace(mutant.find, () => mutant.replace) }
}
