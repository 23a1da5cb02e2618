// `assent evidence`: the officer's pack for an authority, as one archive. An officer's token (stdin) opens the data.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { databaseFile, openCore } from '../compose.ts';
import type { Config } from '../config.ts';
import { refuseRole, staffOfToken } from '../operations/accounts.ts';
import type { EvidenceOrder } from '../operations/export-evidence.ts';
import { makeEvidencePack } from '../portal/evidence-archive.ts';
import { realSystem } from '../system.ts';
import { need, report, Usage, type Values } from './order.ts';

const choices =
  'evidence --person REFERENCE [--hold ID], --partner ID, --purpose P --from TIME --to TIME, or --from TIME --to TIME';

/** @returns exit code. @throws Usage, GatewayError */
export async function runEvidence(config: Config, rest: readonly string[], values: Values): Promise<number> {
  const path = need(rest[0], 'the archive to write, such as FILE.zip');
  if (rest.length > 1) throw new Usage(choices);
  const order = orderOf(values);
  if (existsSync(path)) throw new Usage(`${path} exists; a proof is never overwritten`);
  if (!existsSync(join(config.home, databaseFile)))
    throw new Usage(`${config.home} holds no data; name the folder with --home DIR`);
  const token = readFileSync(0, 'utf8').trim();
  if (token === '')
    throw new Usage("an officer's token is read from standard input: assent staff token NAME");
  const core = await openCore(config, realSystem);
  const isWatched = values.json !== true && process.stderr.isTTY;
  try {
    const { id, role } = await staffOfToken(core.operations, token);
    const officer = role === 'officer' ? id : await refuseRole(core.operations, role, id, 'export-evidence');
    const { bytes, entries } = await makeEvidencePack(core, officer, order, (done, what) => {
      if (isWatched) process.stderr.write(`\r${done.toLocaleString('en')} entries ${what} `);
    });
    if (isWatched) process.stderr.write('\r\u001b[K');
    // Only its owner may read what is disclosed in it.
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
    report(values, { file: path, bytes: bytes.length, entries }, [
      `wrote ${path} (${entries.toLocaleString('en')} entries, ${bytes.length.toLocaleString('en')} bytes)`,
      `check it anywhere: assent verify ${path} --trust FILE`,
    ]);
    return 0;
  } finally {
    await core.close();
  }
}

function orderOf({ person, partner, purpose, from, to, hold }: Values): EvidenceOrder {
  const named = [person, partner, purpose].filter((value) => value !== undefined);
  if (named.length > 1) throw new Usage(`one of --person, --partner and --purpose: ${choices}`);
  const [value = ''] = named;
  const kind =
    person !== undefined
      ? 'person'
      : partner !== undefined
        ? 'partner'
        : purpose !== undefined
          ? 'purpose'
          : 'period';
  if ((kind === 'purpose' || kind === 'period') && (from === undefined || to === undefined))
    throw new Usage(choices);
  if (hold !== undefined && kind !== 'person') throw new Usage(choices);
  return {
    kind,
    value,
    hold: hold ?? null,
    fromMs: from === undefined ? null : timeOf('--from', from, 0),
    toMs: to === undefined ? null : timeOf('--to', to, dayMs - minuteMs),
  };
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** @param lateMs how far into the day a date without a time reaches */
function timeOf(option: string, text: string, lateMs: number): number {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const ms = isDate || isTime ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new Usage(
      `${option} is a date or a time with its zone, such as 2026-11-22 or 2026-11-22T09:30+08:00`,
    );
  return isDate ? ms + lateMs : ms;
}
