/** The folder of the page: `index.html`, `app.js`, `app.css`, `icon.svg`. Whoever serves it adds a content-security policy. */
export const consoleAssets = new URL('../dist/page/', import.meta.url)
