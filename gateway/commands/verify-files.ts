// `assent verify` on disk: reads the files it was given, keeps the state file and writes the report.
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FormatError } from '../audit/bytes.ts';
import { emptyState, parseState, type State } from '../audit/state.ts';
import { parseTrust } from '../audit/verify.ts';
import { isZip } from '../audit/zip.ts';
import { need, Usage, type Values } from './order.ts';
import { verifyAny } from './verify-archive.ts';
import type { VerifyResult } from './verify.ts';

/**
 * @param nowMs for the report
 * @throws Usage when an option or the state file is not what it should be; nothing was checked then
 */
export async function verifyFiles(
  rest: readonly string[],
  values: Values,
  nowMs: number,
): Promise<VerifyResult> {
  const file = need(rest[0], 'a bundle file');
  const trust = need(values.trust, '--trust FILE: the trust file you kept');
  const language = values.language ?? 'en';
  if (language !== 'en' && language !== 'zh') throw new Usage('--language is en or zh');
  const [log, ...otherLogs] = values.log ?? [];
  if (otherLogs.length > 0) throw new Usage('--log is given once');
  if (log !== undefined && values.state === undefined && values.rpc === undefined)
    throw new Usage(
      '--log connects a file with heads you kept (--state FILE) or with what the chain holds now (--rpc URL)',
    );
  const bundleText = readFileSync(file);
  if (values.report !== undefined && isZip(bundleText))
    throw new Usage(
      '--report is about one file; unpack evidence.json from the archive, the summary in it can be printed',
    );
  const trustText = readFileSync(trust);
  const state = values.state === undefined ? undefined : readState(values.state, trustText);
  const result = await verifyAny({
    bundleText,
    trustText,
    language,
    ...(values.rpc === undefined ? {} : { rpcUrl: values.rpc }),
    ...(values.earlier === undefined ? {} : { earlierText: readFileSync(values.earlier) }),
    ...(state === undefined ? {} : { state }),
    ...(log === undefined ? {} : { log: (await import('./log-source.ts')).openLogSource(log) }),
    ...(values.report === undefined
      ? {}
      : {
          report: {
            fileName: basename(file),
            fileHash: hashOf(bundleText),
            trustHash: hashOf(trustText),
            checkedAt: new Date(nowMs).toISOString(),
          },
        }),
  });
  if (values.report !== undefined && result.reportHtml !== undefined)
    writeFileSync(values.report, result.reportHtml);
  if (values.state !== undefined && result.stateText !== undefined)
    replaceFile(values.state, result.stateText);
  return result;
}

function readState(path: string, trustText: Uint8Array): State | null {
  if (!existsSync(path)) return null;
  const state = parsed(path, () => parseState(readFileSync(path)));
  let origin: string;
  try {
    origin = parseTrust(trustText).origin;
  } catch {
    // The check "trust" names it.
    return emptyState(state.origin);
  }
  if (state.origin !== origin) throw new Usage(`${path} keeps heads of another log, ${state.origin}`);
  return state;
}

function parsed<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    // Who goes on with an empty state would forget what the file was kept for.
    if (error instanceof FormatError) throw new Usage(`${path} is not a state file: ${error.message}`);
    throw error;
  }
}

/** All of the new text or all of the old, whatever happens meanwhile. */
function replaceFile(path: string, text: string): void {
  const next = `${path}.next`;
  const handle = openSync(next, 'w', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, path);
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
