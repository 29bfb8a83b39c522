/** The asker's side of pages (protocol/paging.ts). */
import { joinPages } from '../../protocol/paging.ts'

/** Entries of one page; how many of them fit is for the one asked to say. */
const PAGE_SIZE = 10_000
/** How often a list is begun before it is given up. */
const ATTEMPTS_MAX = 3

/** What a call says of the page that it wants, beside its own fields. */
export interface Paging {
  readonly page_size: number
  readonly page_token?: string
}

/**
 * Reads a list from its first to its last page, as one answer. One that is forgotten in between (another
 * master leads, or others read many lists) is begun anew.
 * @param ask sends the call for one page; rejects with an error that carries the `code` of a refusal
 */
export async function readList<Answer extends object>(
  ask: (paging: Paging) => Promise<Answer>,
): Promise<Answer> {
  for (let left = ATTEMPTS_MAX; ; left--) {
    try {
      return joinPages(await readPages(ask))
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'PAGE_EXPIRED' || left === 1) throw error
    }
  }
}

async function readPages<Answer extends object>(
  ask: (paging: Paging) => Promise<Answer>,
): Promise<Answer[]> {
  const pages: Answer[] = []
  let page_token: string | undefined
  do {
    const page: Answer & { next_page_token?: string } = await ask({
      page_size: PAGE_SIZE,
      ...(page_token !== undefined && { page_token }),
    })
    page_token = page.next_page_token
    pages.push(page)
  } while (page_token !== undefined)
  return pages
}
