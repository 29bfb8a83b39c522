/** The journal by which a test file (`suite.ts`) tells its runner (`test/run.ts`) how it went. */

/** One line of the journal, as JSON. */
export type Report =
  | { readonly type: 'started' | 'passed' | 'skipped'; readonly name: string }
  | { readonly type: 'failed'; readonly name: string; readonly message: string }
  /** The process came to its end by itself: what is missing before this line never ran. */
  | { readonly type: 'ended' }

/** Environment variable with the path of the journal; absent when a file is run by hand. */
export const reportVariable = 'MESETA_TEST_REPORT'
