// `assent bundle`: proofs as files, for one entry or for everything about a person. An officer's token (stdin) opens them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseBundle } from '../audit/bundle.ts';
import { parseCheckpoint, parseNote } from '../audit/note.ts';
import { parsePersonBundle } from '../audit/person-bundle.ts';
import { tlogProofOf } from '../audit/tlog-proof.ts';
import { openCore, type Core } from '../compose.ts';
import type { Config } from '../config.ts';
import { refuseRole, staffOfToken } from '../operations/accounts.ts';
import { findPerson, proveAllForOfficer, proveForOfficer } from '../operations/entries.ts';
import { realSystem } from '../system.ts';
import { needData } from './data-place.ts';
import { need, report, Usage, type Values } from './order.ts';

/** @returns exit code. @throws Usage, GatewayError */
export async function runBundle(config: Config, rest: readonly string[], values: Values): Promise<number> {
  const path = need(rest[0], 'the file to write');
  if ((values.person === undefined) === (values.entry === undefined))
    throw new Usage('bundle --person REFERENCE, or bundle --entry NUMBER');
  if (existsSync(path)) throw new Usage(`${path} exists; a proof is never overwritten`);
  await needData(config);
  const since = values.since === undefined ? null : sizeOf(values.since);
  const token = readFileSync(0, 'utf8').trim();
  if (token === '')
    throw new Usage("an officer's token is read from standard input: assent staff token NAME");
  const core = await openCore(config, realSystem);
  try {
    const officer = await officerOf(core, token);
    const text =
      values.person === undefined
        ? await proveEntry(core, officer, values)
        : (
            await proveAllForOfficer(
              core.operations,
              core.prover,
              officer,
              await findPerson(core.operations, values.person),
              since,
            )
          ).value;
    // Only its owner may read what is disclosed in it.
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
    report(values, { file: path, bytes: Buffer.byteLength(text) }, [
      `wrote ${path} (${Buffer.byteLength(text).toLocaleString('en')} bytes)`,
      `check it anywhere: assent verify ${path} --trust FILE`,
    ]);
    return 0;
  } finally {
    await core.close();
  }
}

async function proveEntry(core: Core, officer: string, values: Values): Promise<string> {
  const number = Number(values.entry);
  if (!Number.isSafeInteger(number) || number < 0) throw new Usage('--entry is a whole number');
  const { value } = await proveForOfficer(core.operations, core.prover, officer, number);
  return values['tlog-proof'] === true ? tlogProofOf(parseBundle(value)) : value;
}

async function officerOf(core: Core, token: string): Promise<string> {
  const { id, role } = await staffOfToken(core.operations, token);
  return role === 'officer' ? id : refuseRole(core.operations, role, id, 'export-person');
}

/** Size of the head an earlier bundle was made at. */
function sizeOf(path: string): number {
  return parseCheckpoint(parseNote(parsePersonBundle(readFileSync(path)).checkpoint).text).size;
}
