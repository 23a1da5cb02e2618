// Where to go after a form: only ever to a page of this site.

/** A path on this site, or null: an address elsewhere is never followed. */
export function localPath(text: string | undefined): string | null {
  if (
    text === undefined ||
    text.length > 2000 ||
    !text.startsWith('/') ||
    text.startsWith('//') ||
    text.includes('\\')
  ) {
    return null;
  }
  const base = 'http://local.invalid';
  if (!URL.canParse(text, base)) return null;
  const url = new URL(text, base);
  const path = `${url.pathname}${url.search}${url.hash}`;
  // Dots are resolved only now: `/.//host` has become `//host`, which a browser takes for another site.
  return url.origin === base && !path.startsWith('//') ? path : null;
}
