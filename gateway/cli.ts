// assent: one command a task. Exit codes: 0 done, or it holds; 1 checked, and it does not hold; 2 usage or I/O.
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { eq } from 'drizzle-orm';
import { verifyCommand } from './commands/verify.ts';
import { openCore, type Core } from './compose.ts';
import { loadConfig } from './config.ts';
import { runDemoPartner } from './demo/partner-client.ts';
import { tamperCopy } from './demo/tamper.ts';
import { GatewayError } from './errors.ts';
import { registerPartner } from './oauth/partners.ts';
import { addStaff, invite, makeStaffToken, staffRequest, type StaffRole } from './operations/accounts.ts';
import { importConsents } from './operations/import-consents.ts';
import { importData, type ImportOrder, type LegalBasis } from './operations/import-data.ts';
import { mappedSource, movieLensSource } from './operations/import-sources.ts';
import { trainRecommender } from './operations/train-recommender.ts';
import { setting } from './store/tables.ts';
import { realSystem } from './system.ts';

const usage = `assent COMMAND

  import --source NAME --basis BASIS --movielens DIR      load MovieLens-100K
  import --source NAME --basis BASIS --map MAP.json FILE  load a CSV or NDJSON file; MAP.json says which column is what
  import --consents FILE                                  load existing consent records (CSV or NDJSON)
  train                                                   train the recommender on those who allow it
  invite REFERENCE                                        one-time code that links a sign-up to a person's records
  staff add ROLE NAME                                     add an officer, analyst or operator (password on stdin)
  staff token NAME                                        a token for scripts, such as an analyst's queries
  partner add ID NAME --redirect URL --scope SCOPE ...    register a partner app; prints its secret once
  trust export [FILE]                                     write the trust file; keep it away from this machine
  verify BUNDLE --trust FILE [--rpc URL]                  check a proof without the gateway
  demo tamper [FOLDER]                                    delete an entry from a copy of the data, to see it found
  demo-partner [URL]                                      run the demo partner against a running gateway

  --home DIR   data folder (default: ASSENT_HOME or ./data)      --json   answer for programs

BASIS: consent, contract, legal-obligation, legitimate-interest`;

const options = {
  home: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
  source: { type: 'string' },
  basis: { type: 'string' },
  movielens: { type: 'string' },
  map: { type: 'string' },
  consents: { type: 'string' },
  trust: { type: 'string' },
  rpc: { type: 'string' },
  redirect: { type: 'string', multiple: true },
  scope: { type: 'string', multiple: true },
} as const satisfies ParseArgsConfig['options'];

type Values = ReturnType<typeof parse>['values'];

function parse(given: string[]) {
  return parseArgs({ args: given, options, allowPositionals: true, strict: true });
}

class Usage extends Error {}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const operator = 'cli';

async function main(given: string[]): Promise<number> {
  const { values, positionals } = parse(given);
  const [command, ...rest] = positionals;
  if (values.help === true || command === undefined) {
    say(usage);
    return command === undefined && values.help !== true ? 2 : 0;
  }
  switch (command) {
    case 'verify':
      return verify(rest, values);
    case 'import':
      return withCore(values, (core) => runImport(core, rest, values));
    case 'train':
      return withCore(values, (core) => train(core, values));
    case 'invite':
      return withCore(values, async (core) => {
        const { value } = await invite(core.operations, operator, need(rest[0], 'a person reference'));
        report(values, { invitation: value }, [`invitation (once, 14 days): ${value}`]);
        return 0;
      });
    case 'staff':
      return withCore(values, (core) => staff(core, rest, values));
    case 'partner':
      return withCore(values, (core) => addPartner(core, rest, values));
    case 'trust':
      if (rest[0] !== 'export') throw new Usage('trust export [FILE]');
      return withCore(values, (core) => exportTrust(core, rest[1], values));
    case 'demo':
      if (rest[0] !== 'tamper') throw new Usage('demo tamper [FOLDER]');
      return tamper(rest[1], values);
    case 'demo-partner':
      return runDemoPartner({ home: homeOf(values), url: rest[0] ?? 'http://127.0.0.1:8080', say });
    default:
      throw new Usage(`there is no command ${command}`);
  }
}

async function verify(rest: readonly string[], values: Values): Promise<number> {
  const bundle = need(rest[0], 'a bundle file');
  const trust = need(values.trust, '--trust FILE: the trust file you kept');
  const result = await verifyCommand({
    bundleText: readFileSync(bundle, 'utf8'),
    trustText: readFileSync(trust, 'utf8'),
    ...(values.rpc === undefined ? {} : { rpcUrl: values.rpc }),
  });
  report(values, result.json, result.lines);
  return result.exitCode;
}

async function runImport(core: Core, rest: readonly string[], values: Values): Promise<number> {
  if (values.consents !== undefined) {
    const path = values.consents;
    const done = await importConsents(core.operations, operator, opened(path), formatOf(path));
    report(values, done, [
      `${done.consents} consents of ${done.people} people`,
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
  const description: unknown = JSON.parse(readFileSync(need(values.map, '--map MAP.json'), 'utf8'));
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

async function exportTrust(core: Core, path: string | undefined, values: Values): Promise<number> {
  const text = await core.prover.trust();
  if (path === undefined) {
    process.stdout.write(text);
    return 0;
  }
  writeFileSync(path, text, { flag: 'wx' });
  report(values, { file: path }, [
    `wrote ${path}`,
    'keep it where the operator of this gateway cannot change it',
  ]);
  return 0;
}

async function tamper(target: string | undefined, values: Values): Promise<number> {
  const home = homeOf(values);
  const { entry, folder } = await tamperCopy(home, resolve(target ?? `${home}-tampered`));
  report(values, { entry, folder }, [
    `copied ${home} to ${folder} and deleted entry ${entry} from the copy's database`,
    `now try: npm start -- --home ${folder} --port 8090`,
  ]);
  return 0;
}

/** Opens the data folder, beside a running gateway or without one; both write through the same gate. */
async function withCore(values: Values, work: (core: Core) => Promise<number>): Promise<number> {
  const config = loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) });
  const core = await openCore(config, realSystem);
  try {
    return await work(core);
  } finally {
    await core.close();
  }
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

function homeOf(values: Values): string {
  return resolve(values.home ?? process.env['ASSENT_HOME'] ?? 'data');
}

function opened(path: string): AsyncIterable<Uint8Array> {
  if (!existsSync(path)) throw new Usage(`there is no file ${path}`);
  return createReadStream(path);
}

function formatOf(path: string): 'csv' | 'ndjson' {
  const extension = extname(path).toLowerCase();
  if (extension === '.ndjson' || extension === '.jsonl') return 'ndjson';
  if (extension === '.csv' || extension === '.tsv' || extension === '.txt') return 'csv';
  throw new Usage(`${path}: the name ends in neither .csv nor .ndjson`);
}

function report(values: Values, json: object, lines: readonly string[]): void {
  say(values.json === true ? JSON.stringify(json) : lines.join('\n'));
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Usage(`missing: ${what}`);
  return value;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const isUsage =
      error instanceof Usage || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
    const code = error instanceof GatewayError ? ` (${error.code})` : '';
    process.stderr.write(`assent${code}: ${error instanceof Error ? error.message : 'failed'}\n`);
    if (isUsage) process.stderr.write('\nassent --help lists the commands\n');
    process.exitCode = error instanceof GatewayError && error.code === 'log_fork' ? 1 : 2;
  },
);
