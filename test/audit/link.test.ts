import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, linkModules } from '../../gateway/audit/link.ts';
import * as log from './example-log.ts';

const audit = resolve(import.meta.dirname, '..', '..', 'gateway', 'audit');
const linked = linkModules(join(audit, 'verify.ts'));
/** What the page opened from disk carries: the verifier, and what unpacks an archive. */
const forPage = linkModules(join(audit, 'offline.ts'));

describe('the verifier as one list of modules', () => {
  it('is complete: every import is in the list, before its importer', () => {
    const ids = linked.modules.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.at(-1)).toBe(linked.entryId);
    expect(ids).toEqual(
      expect.arrayContaining(['@noble/hashes/sha2.js', '@noble/ed25519/index.js', 'assent/tree.ts']),
    );
    for (const [place, { id, source }] of linked.modules.entries()) {
      const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '');
      for (const [, wanted] of code.matchAll(
        /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*['"]([^'"\n]+)['"]/gm,
      )) {
        expect(ids.slice(0, place), `${id} imports ${wanted}`).toContain(wanted);
      }
    }
  });

  it('uses nothing of Node and loads nothing later', () => {
    for (const { id, source } of [...linked.modules, ...forPage.modules]) {
      const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(code, id).not.toMatch(/\bnode:|\bBuffer\b|\bprocess\.|\brequire\(|\bimport\(/);
    }
  });

  it('runs from data: URLs alone, and gives the same verdicts', async () => {
    const good = await log.sealed(await log.unsealed(4, 5));
    const bad = good.replace('"index":4', '"index":3');
    // The hook does what an import map does in a page.
    const program = `
      import { registerHooks } from 'node:module';
      const { imports, entryId, files, trust } = JSON.parse(await new Response(process.stdin).text());
      registerHooks({
        resolve(wanted, context, next) {
          if (Object.hasOwn(imports, wanted)) return { url: imports[wanted], format: 'module', shortCircuit: true };
          if (wanted.startsWith('data:')) return next(wanted, context);
          throw new Error('not in the import map: ' + wanted);
        },
      });
      const print = process.stdout.write.bind(process.stdout);
      delete globalThis.Buffer;
      delete globalThis.process;
      const { verifyBundle } = await import(entryId);
      print(JSON.stringify(files.map((file) => {
        const { verdict, firstFailing } = verifyBundle(file, trust);
        return [verdict, firstFailing ?? null];
      })));
    `;
    const folder = mkdtempSync(join(tmpdir(), 'assent-link-'));
    try {
      const file = join(folder, 'page.mjs');
      writeFileSync(file, program);
      const input = JSON.stringify({
        imports: importsOf(linked.modules),
        entryId: linked.entryId,
        files: [good, bad],
        trust: log.trustFile,
      });
      const output = execFileSync(process.execPath, [file], { input, encoding: 'utf8', timeout: 30_000 });
      expect(JSON.parse(output)).toEqual([
        ['holds', null],
        ['does-not-hold', 'inclusion'],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes of a package with two forms the one for import', () => {
    const ids = forPage.modules.map(({ id }) => id);
    expect(ids).toContain('fflate/esm/browser.js');
    expect(ids.filter((id) => id.endsWith('.cjs'))).toEqual([]);
  });

  it('refuses a module that needs Node', () => {
    expect(() => linkModules(join(audit, 'link.ts'))).toThrow('exists in Node only');
  });
});
