// Collects the verifier and everything it imports, types stripped, so that one offline HTML file can carry all
// of it: each module as a data: URL under its own name in an import map.
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire, findPackageJSON, stripTypeScriptTypes } from 'node:module';
import { dirname, extname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface LinkedModule {
  /** Bare name by which the other modules import it. */
  readonly id: string;
  /** JavaScript; every import in it is the id of another module of the list. */
  readonly source: string;
}

export interface LinkedModules {
  /** What a page imports. */
  readonly entryId: string;
  /** Dependencies first. */
  readonly modules: readonly LinkedModule[];
}

const moduleLimit = 100;

/**
 * Reads the module and, through its static imports, all it needs: relative ones and packages.
 * @param entryPath absolute path of a .ts or .js file
 * @throws Error for an import of a Node built-in module: nothing with one can run in a page
 */
export function linkModules(entryPath: string): LinkedModules {
  const entry = realpathSync(entryPath);
  const root = dirname(entry);
  const linked = new Map<string, LinkedModule>();
  const visiting = new Set<string>();

  const visit = (path: string): string => {
    const id = idOf(path, root);
    if (linked.has(id)) return id;
    if (visiting.has(id)) throw new Error(`${id} imports itself in a circle`);
    if (visiting.size + linked.size >= moduleLimit) throw new Error(`more than ${moduleLimit} modules`);
    visiting.add(id);
    const text = plainSource(path);
    const source = text.replace(staticImport, (statement, before: string, wanted: string, place: number) => {
      if (isInComment(text, place)) return statement;
      return before + JSON.stringify(visit(resolveImport(wanted, path)));
    });
    visiting.delete(id);
    linked.set(id, { id, source });
    return id;
  };

  const entryId = visit(entry);
  return { entryId, modules: [...linked.values()] };
}

/** The `imports` of an import map that makes the modules available under their ids. */
export function importsOf(modules: readonly LinkedModule[]): Record<string, string> {
  return Object.fromEntries(modules.map(({ id, source }) => [id, dataUrl(source)]));
}

function dataUrl(source: string): string {
  return `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`;
}

const staticImport = /^((?:import|export)\b(?:[^;'"]*?\bfrom)?\s*)['"]([^'"\n]+)['"]/gm;

// Documentation comments hold examples with imports of their own.
function isInComment(text: string, place: number): boolean {
  return text.lastIndexOf('/*', place) > text.lastIndexOf('*/', place);
}

function plainSource(path: string): string {
  const text = readFileSync(path, 'utf8');
  const plain = extname(path) === '.ts' ? stripTypeScriptTypes(text) : text;
  // Source maps lie beside the file, not beside the page.
  return plain.replace(/^\/\/# sourceMappingURL=.*$/gm, '');
}

function resolveImport(wanted: string, importer: string): string {
  if (wanted.startsWith('.')) return realpathSync(resolve(dirname(importer), wanted));
  const path = createRequire(importer).resolve(wanted);
  if (!path.startsWith(sep) && !/^[A-Za-z]:/.test(path)) throw new Error(`${wanted} exists in Node only`);
  return realpathSync(extname(path) === '.cjs' ? importedForm(wanted, importer) : path);
}

/** Of a package that comes in two forms, the one for `import`; `require` finds the other, which no page can run. */
function importedForm(wanted: string, importer: string): string {
  const manifest = findPackageJSON(wanted, pathToFileURL(importer));
  if (manifest === undefined) throw new Error(`${wanted} is of no package`);
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: Record<string, Forms> };
  const [, place = ''] = /^(?:@[^/]+\/)?[^/]+(.*)$/.exec(wanted) ?? [];
  const form = exports?.[`.${place}`]?.import;
  const path = typeof form === 'string' ? form : form?.default;
  if (path === undefined) throw new Error(`${wanted} has no form for import`);
  return join(dirname(manifest), path);
}

/** A place in the `exports` of a package. */
interface Forms {
  readonly import?: string | { readonly default?: string };
}

function idOf(path: string, root: string): string {
  const parts = path.split(sep);
  const packages = parts.lastIndexOf('node_modules');
  if (packages >= 0) return parts.slice(packages + 1).join('/');
  return `assent/${relative(root, path).split(sep).join('/')}`;
}
