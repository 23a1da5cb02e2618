// assent restore FILE, assent restore --keys FILE, assent restore --accept-loss NAME. The gateway must be stopped.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createAnchorer } from '../audit/anchor.ts';
import { logIdOf } from '../audit/log-id.ts';
import { lockHome } from '../chain/lock.ts';
import { projectRoot } from '../chain/compile.ts';
import { databaseFile, openChain, openCore, type Core, type OpenChain } from '../compose.ts';
import type { Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { archiveLimitBytes, unlockKeys } from '../key-archive.ts';
import { putKeys } from '../key-files.ts';
import { acceptLoss, type KnownHead } from '../operations/accept-loss.ts';
import { restoreData, type JournalFate, type Restored } from '../operations/restore.ts';
import { erasedFile } from '../rights/erased-list.ts';
import { realSystem } from '../system.ts';
import { readPassphrase } from './backup.ts';
import { needData, needFile } from './data-place.ts';
import { need, report, Usage, type Values } from './order.ts';
import { forkDetails } from './ways-out.ts';

const operator = 'cli';

/** @returns exit code. @throws Usage, GatewayError */
export async function runRestore(config: Config, rest: readonly string[], values: Values): Promise<number> {
  const orders = [rest[0], values.keys, values['accept-loss']].filter((order) => order !== undefined);
  if (orders.length > 1 || rest.length > 1)
    throw new Usage(
      'restore FILE, or restore --keys FILE, or restore --accept-loss NEW-LOG-NAME: one at a time',
    );
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const lock = await lockHome(config.home);
  try {
    if (values.keys !== undefined) return restoreKeys(config, resolve(values.keys), values);
    if (values['accept-loss'] !== undefined) return await goOn(config, values['accept-loss'], values);
    needFile(
      config,
      'put it back with pg_restore into an empty database, and the keys with assent restore --keys FILE; ' +
        'the start then compares it with the chain and the witnesses',
    );
    const file = resolve(need(rest[0], 'a backup file, or --keys FILE'));
    const restored = await restoreData(
      {
        file,
        home: config.home,
        databaseFile,
        newestSchema: newestSchema(),
        replace: values.replace === true,
      },
      realSystem,
    );
    report(values, { file, ...restored }, linesOf(restored, config.home));
    return 0;
  } finally {
    await lock.release();
  }
}

const journalWords: Record<JournalFate, string> = {
  none: 'no local chain in the backup, and none here',
  same: 'local chain: the same here and in the backup',
  restored: "local chain: restored from the backup's journal",
  'kept-longer':
    'local chain: the longer journal in this folder was kept. If it knows a head that this backup lacks, the start is refused and says what to do',
};

function linesOf({ manifest, journal, movedTo, hasKeys }: Restored, home: string): string[] {
  const time = (ms: number): string => new Date(ms).toISOString();
  return [
    `restored ${manifest.entries.toLocaleString('en')} entries of the log ${manifest.origin} to ${home}`,
    `backup made ${time(manifest.madeMs)}${manifest.lastEntryMs === null ? '' : `, last entry ${time(manifest.lastEntryMs)}`}`,
    `signed head of ${manifest.checkpoint?.size ?? 0}: the entries have its root`,
    journalWords[journal],
    ...(movedTo === null
      ? []
      : [`what was here is in ${movedTo}: it holds personal data, so delete it once this works`]),
    'withdrawals since the backup are not in it and have to be made again',
    `erasures since then are made again at the next start if ${erasedFile} of this gateway is in ${home}; without it, make them again`,
    hasKeys
      ? `next: npm start -- --home ${home}`
      : `next: put the keys back (assent restore --keys FILE --home ${home}), then npm start -- --home ${home}`,
  ];
}

function restoreKeys(config: Config, file: string, values: Values): number {
  const folder = join(config.home, 'keys');
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new GatewayError('conflict', `${folder} is not empty; keys are never overwritten`);
  if (!existsSync(file)) throw new Usage(`there is no file ${file}`);
  if (statSync(file).size > archiveLimitBytes)
    throw new GatewayError('backup_invalid', 'this file is too large to hold keys');
  const { origin, keys } = unlockKeys(readFileSync(file, 'utf8'), readPassphrase());
  putKeys(folder, keys);
  const count = Object.keys(keys).length;
  report(values, { file, origin, keys: count }, [`restored ${count} keys of the log ${origin} to ${folder}`]);
  return 0;
}

/** Goes on under a new name, if the chain really knows a head that is not held here. */
async function goOn(given: Config, newOrigin: string, values: Values): Promise<number> {
  await needData(given);
  // Nothing else needs the chain's port now, and ASSENT_ORIGIN may already hold the new name.
  const config: Config = { ...given, chainPort: 0, originIsChosen: false };
  const core = await openCore(config, realSystem);
  let logId: string;
  let held: number;
  let heads: readonly KnownHead[];
  let entry: number;
  let submitter: string;
  try {
    const open = await openChain(core);
    try {
      logId = logIdOf(newOrigin);
      if ((await open.chain.head(logId)) !== undefined)
        throw new GatewayError('conflict', `the chain knows a log named ${newOrigin}; a new name is needed`);
      held = core.log.durableSize();
      heads = await findLoss(core, open);
      submitter = open.chain.submitter;
      const { receipt } = await acceptLoss(core.operations, operator, { newOrigin, held, heads });
      entry = receipt.number;
    } finally {
      await open.close();
    }
  } finally {
    await core.close();
  }
  let logKey: string;
  // Signed at once: from here on this folder shows no head of the old name. The policy file still names the old key.
  const renamed = await openCore({ ...config, origin: newOrigin, witnessPolicyFile: undefined }, realSystem);
  try {
    await renamed.publisher.publish();
    logKey = renamed.logSigner.verifierKey;
  } finally {
    await renamed.close();
  }
  const answer = { origin: newOrigin, formerOrigin: core.config.origin, entry, held, heads };
  report(values, answer, [
    `the log goes on as ${newOrigin}; entry ${entry} says that entries of ${core.config.origin} are lost`,
    ...heads.map(({ by, known }) => `held here: ${held} entries; the ${by} knows a head of ${known}`),
    'proofs made until now keep verifying with the old trust file; new ones need a new one:',
    `  assent trust export FILE --home ${config.home}   (after the next start; give it to all who hold the old one, and say why)`,
    'everybody has to sign in again, partners and staff too',
    'withdrawals, erasures and other choices in the lost entries are gone: ask the people concerned again before their data is used',
    ...(given.originIsChosen ? [`set ASSENT_ORIGIN to ${newOrigin}, or remove it`] : []),
    ...(given.chainContract === undefined
      ? []
      : [
          `unless this gateway's key is the contract's admin, let the admin call setSubmitter(${logId}, ${submitter})`,
        ]),
    ...(given.witnessPolicyFile === undefined
      ? []
      : [
          `witnesses take the log under its new key only; put it into the policy file and tell them: ${logKey}`,
        ]),
  ]);
  return 0;
}

/** Asks whoever remembers. @throws GatewayError `conflict` when nobody knows more than this folder holds */
async function findLoss(core: Core, { chain }: OpenChain): Promise<readonly KnownHead[]> {
  const { store, log, publisher, config, system } = core;
  const anchorer = createAnchorer({
    store,
    log,
    publisher,
    chain,
    origin: config.origin,
    clock: system.clock,
  });
  const heads: KnownHead[] = [];
  for (const check of [() => anchorer.check(), () => core.witnesses.check()]) {
    await check().then(undefined, (error: unknown) => {
      const details = error instanceof GatewayError ? forkDetails(error) : undefined;
      if (details === undefined || details.contradicts === 'checkpoint') throw error;
      heads.push({ by: details.contradicts, known: details.known });
    });
  }
  if (heads.length > 0) return heads;
  throw new GatewayError(
    'conflict',
    'nothing is missing: neither the chain nor a witness knows a head that this folder does not hold. A new name would only end the old one',
  );
}

function newestSchema(): number {
  return readdirSync(join(projectRoot, 'migrations', 'sqlite')).filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .length;
}
