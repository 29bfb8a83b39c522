/** The loader of `mutate.mjs`: hands out the changed source of some modules. */
let changes = []

export function initialize(data) {
  changes = data
}

export async function load(url, context, next) {
  const loaded = await next(url, context)
  const path = url.split('?')[0]
  const own = changes.filter(({ file }) => path.endsWith(`/${file}`))
  if (own.length === 0) return loaded
  return { ...loaded, source: own.reduce(changed, Buffer.from(loaded.source).toString()) }
}

function changed(source, { file, find, replace }) {
  if (!source.includes(find)) throw new Error(`${file} does not hold ${find}`)
  return source.replace(find, () => replace)
}
