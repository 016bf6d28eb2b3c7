/** The exit code of a test runner that found no test in the files that it ran. */
export const noTestCode = 3
