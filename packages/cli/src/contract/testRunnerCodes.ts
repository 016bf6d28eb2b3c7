/** The exit code of a test runner that found no test in the files that it ran. */
export const noTestCode = 3

/** Names the folder in which processes of test files note that they were ended by `process.exit`. */
export const exitNotesVariable = 'BLETCHLEY_EXIT_NOTES'
/** How the names of the notes end. In each is the path of the file. */
export const exitNoteSuffix = '.exit'
