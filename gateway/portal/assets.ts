// Files the portal serves: one stylesheet, one small script, one icon, and the verification page in one piece.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importsOf, linkModules } from '../audit/link.ts';
import { verifyPage, type VerifyPage } from './pages/verify.ts';
import { langs, type Lang } from './messages/pick.ts';

export interface PortalAssets {
  readonly files: Readonly<Record<string, { readonly type: string; readonly text: string }>>;
  /** Made once: it is the same for everybody. */
  readonly verify: Readonly<Record<Lang, VerifyPage>>;
}

const folder = join(import.meta.dirname, 'assets');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** Parts of the verification page's script: `assent/draw` is `verify-draw.js`. */
const parts = ['draw', 'subject', 'report', 'pack'] as const;
const partOf = (name: string) => ({ id: `assent/${name}`, source: read(`verify-${name}.js`) });

export function portalAssets(): PortalAssets {
  const stylesheet = read('portal.css');
  const linked = linkModules(join(import.meta.dirname, '..', 'audit', 'offline.ts'));
  const imports = importsOf([...linked.modules, ...parts.map(partOf)]);
  const entry = imports[linked.entryId];
  const importMap = { imports: { ...imports, ...(entry === undefined ? {} : { 'assent/verify': entry }) } };
  const script = read('verify-page.js');
  return {
    files: {
      'portal.css': { type: 'text/css; charset=utf-8', text: stylesheet },
      'portal.js': { type: 'text/javascript; charset=utf-8', text: read('portal.js') },
      'icon.svg': { type: 'image/svg+xml', text: read('icon.svg') },
    },
    verify: Object.fromEntries(
      langs.map((lang) => [lang, verifyPage({ stylesheet, script, importMap }, lang)]),
    ) as Record<Lang, VerifyPage>,
  };
}
