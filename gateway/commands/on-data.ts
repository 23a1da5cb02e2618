// The commands that open the data folder, beside a running gateway or without one: both write through the same gate.
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { eq } from 'drizzle-orm';
import { openCore, type Core } from '../compose.ts';
import type { Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { registerPartner } from '../oauth/partners.ts';
import { addStaff, invite, makeStaffToken, staffRequest, type StaffRole } from '../operations/accounts.ts';
import { importConsents } from '../operations/import-consents.ts';
import { importData, type ImportOrder, type LegalBasis } from '../operations/import-data.ts';
import { mappedSource, movieLensSource } from '../operations/import-sources.ts';
import { trainRecommender } from '../operations/train-recommender.ts';
import { erasePerson, resumeErasures } from '../rights/erase.ts';
import { fetchErasure } from '../rights/receipts.ts';
import { setting } from '../store/tables.ts';
import { realSystem } from '../system.ts';
import { needData } from './data-place.ts';
import { need, report, Usage, type Values } from './order.ts';

const operator = 'cli';

export type DataCommand = 'import' | 'train' | 'invite' | 'erase' | 'staff' | 'partner' | 'trust';

/** @returns exit code. @throws Usage, GatewayError */
export async function runOnData(
  command: DataCommand,
  config: Config,
  rest: readonly string[],
  values: Values,
): Promise<number> {
  const begins =
    command === 'staff' || command === 'partner' || (command === 'import' && values.consents === undefined);
  if (!begins) await needData(config);
  const core = await openCore(config, realSystem);
  try {
    return await run(core, command, rest, values);
  } finally {
    await core.close();
  }
}

function run(core: Core, command: DataCommand, rest: readonly string[], values: Values): Promise<number> {
  switch (command) {
    case 'import':
      return runImport(core, rest, values);
    case 'train':
      return train(core, values);
    case 'invite':
      return sendInvitation(core, rest, values);
    case 'erase':
      return erase(core, rest, values);
    case 'staff':
      return staff(core, rest, values);
    case 'partner':
      return addPartner(core, rest, values);
    case 'trust':
      return exportTrust(core, rest, values);
  }
}

async function runImport(core: Core, rest: readonly string[], values: Values): Promise<number> {
  if (values.consents !== undefined) {
    const path = values.consents;
    const done = await importConsents(core.operations, operator, opened(path), formatOf(path));
    report(values, done, [
      `${done.consents} consents of ${done.people} people`,
      ...(done.suppressed === 0 ? [] : [`${done.suppressed} of people who were erased: passed over`]),
      ...(done.rejected.length === 0 ? [] : [`${done.rejected.length} rows rejected:`]),
      ...done.rejected.slice(0, 20).map(({ line, code }) => `  line ${line}: ${code}`),
    ]);
    return 0;
  }
  const order: ImportOrder = {
    operator,
    source: need(values.source, '--source NAME'),
    legalBasis: need(values.basis, '--basis BASIS') as LegalBasis,
    open: opening(rest, values),
    progress: (rows) => {
      if (values.json !== true && process.stderr.isTTY)
        process.stderr.write(`\r${rows.toLocaleString('en')} rows`);
    },
  };
  await markReal(core);
  const done = await importData(core.operations, order);
  if (values.json !== true && process.stderr.isTTY) process.stderr.write('\r');
  const rejected = Object.entries(done.rejected);
  report(values, done, [
    `source ${done.source}, basis ${order.legalBasis}`,
    `${done.people} new people, ${done.items} items, ${done.events} events, ${done.attributes} attributes, ${done.repeated} already there`,
    ...(done.suppressed === 0 ? [] : [`${done.suppressed} rows of people who were erased: passed over`]),
    `${done.entries} entries in the log`,
    rejected.length === 0
      ? 'no row rejected'
      : `rejected and kept aside (encrypted, 30 days): ${rejected.map(([code, times]) => `${times} ${code}`).join(', ')}`,
    'nobody has consented to anything by this import; load existing consents with --consents FILE',
  ]);
  return 0;
}

/** What opens the source from its start, as often as asked. */
function opening(rest: readonly string[], values: Values): ImportOrder['open'] {
  if (values.movielens !== undefined) {
    const folder = values.movielens;
    return movieLensSource((name) => opened(join(folder, name)));
  }
  const path = need(rest[0], 'a file, or --movielens DIR');
  const description = readJson(need(values.map, '--map MAP.json'));
  return mappedSource(formatOf(path), path, description, opened);
}

async function train(core: Core, values: Values): Promise<number> {
  const { value, run } = await trainRecommender(core.operations, { kind: 'operator', id: operator });
  report(values, { run, ...value }, [
    `training ${run}`,
    `people ${value.people}, rows ${value.rows}, items ${value.items}`,
    value.model === null ? 'nobody allows it: there is nothing to learn from' : `model ${value.model}`,
  ]);
  return 0;
}

async function staff(core: Core, rest: readonly string[], values: Values): Promise<number> {
  const [action, first, second] = rest;
  if (action === 'token') {
    const { value } = await makeStaffToken(core.operations, operator, need(first, 'a staff name'));
    report(values, { token: value }, [`token (shown once): ${value}`]);
    return 0;
  }
  if (action !== 'add') throw new Usage('staff add ROLE NAME, or staff token NAME');
  const role = need(first, 'a role: officer, analyst, operator');
  if (!['officer', 'analyst', 'operator'].includes(role)) throw new Usage(`there is no role ${role}`);
  const password = readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  await addStaff(core.operations, operator, {
    role: role as StaffRole,
    userName: need(second, 'a name'),
    password,
  });
  report(values, { added: second }, [`added ${role} ${second}`]);
  return 0;
}

async function addPartner(core: Core, rest: readonly string[], values: Values): Promise<number> {
  const [action, id, name] = rest;
  if (action !== 'add') throw new Usage('partner add ID NAME --redirect URL --scope SCOPE ...');
  const partner = {
    id: need(id, 'a partner id'),
    name: need(name, 'a partner name'),
    redirectUris: values.redirect ?? [],
    scopes: values.scope ?? [],
  };
  const { system } = core;
  const request = staffRequest({ kind: 'operator', id: operator }, 'administer', { partner: partner.id });
  const { value } = await core.gate.run(request, async (_permit, tx) => ({
    value: await registerPartner(tx, partner, system.random, system.clock.nowMs()),
    kind: 'configured',
    keyClass: 'evidence',
  }));
  report(values, value, [
    `client id      ${value.clientId}`,
    `client secret  ${value.clientSecret}  (shown once)`,
  ]);
  return 0;
}

async function exportTrust(core: Core, rest: readonly string[], values: Values): Promise<number> {
  const [action, path] = rest;
  if (action !== 'export') throw new Usage('trust export [FILE]');
  // Without a chain the file could never tell a rebuilt one.
  if ((await core.chain()) === null)
    throw new GatewayError('conflict', 'no chain is known yet: start the gateway on this folder once');
  const text = await core.prover.trust();
  if (path === undefined) {
    process.stdout.write(text);
    return 0;
  }
  if (existsSync(path)) throw new Usage(`${path} exists; a trust file is never overwritten`);
  writeFileSync(path, text, { flag: 'wx' });
  report(values, { file: path }, [
    `wrote ${path}`,
    'keep it where the operator of this gateway cannot change it',
  ]);
  return 0;
}

async function sendInvitation(core: Core, rest: readonly string[], values: Values): Promise<number> {
  const { value } = await invite(core.operations, operator, need(rest[0], 'a person reference'));
  report(values, { invitation: value }, [`invitation (once, 14 days): ${value}`]);
  return 0;
}

/** The receipt is the person's: the operator hands it, or its code, to them. */
async function erase(core: Core, rest: readonly string[], values: Values): Promise<number> {
  const reference = need(rest[0], 'a person reference');
  const path = rest[1];
  if (path !== undefined && existsSync(path)) throw new Usage(`${path} exists; it is not overwritten`);
  const { value } = await erasePerson(core.operations, { kind: 'operator', id: operator, reference });
  const { code, evidenceUntilMs } = value;
  const until = new Date(evidenceUntilMs).toISOString().slice(0, 10);
  const waits = await resumeErasures(core.operations).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : 'the files could not be cleaned'),
  );
  const receipt =
    path === undefined || waits !== undefined ? null : (await fetchErasure(core, code)).value.receipt;
  if (path !== undefined && receipt !== null) writeFileSync(path, receipt, { flag: 'wx', mode: 0o600 });
  report(values, { code, evidenceUntil: until, completed: waits === undefined }, [
    waits === undefined ? 'erased' : `rows and keys are gone; the files wait to be cleaned: ${waits}`,
    `receipt code (shown once, for the person): ${code}`,
    ...(receipt === null ? [] : [`wrote ${path ?? ''}`]),
    `proof of consent and of this erasure stays readable until ${until}`,
  ]);
  return 0;
}

/** A folder that gets real data never gets the demo world. */
async function markReal(core: Core): Promise<void> {
  const [row] = await core.store.read((reader) =>
    reader.db.select().from(setting).where(eq(setting.name, 'world')),
  );
  if (row !== undefined) return;
  await core.store.write(async (tx) => {
    await tx.db.insert(setting).values({ name: 'world', value: 'real' }).onConflictDoNothing();
  });
}

function opened(path: string): AsyncIterable<Uint8Array> {
  if (!existsSync(path)) throw new Usage(`there is no file ${path}`);
  return createReadStream(path);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw error instanceof SyntaxError ? new Usage(`${path} is not JSON: ${error.message}`) : error;
  }
}

function formatOf(path: string): 'csv' | 'ndjson' {
  const extension = extname(path).toLowerCase();
  if (extension === '.ndjson' || extension === '.jsonl') return 'ndjson';
  if (extension === '.csv' || extension === '.tsv' || extension === '.txt') return 'csv';
  throw new Usage(`${path}: the name ends in neither .csv nor .ndjson`);
}
