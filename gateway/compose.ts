// Opens the parts in order and closes them again. `main` adds the network, `cli` runs single operations.
import { existsSync, mkdirSync } from 'node:fs';
import { eq } from 'drizzle-orm';
import { join } from 'node:path';
import { createKeyring, type Keyring } from './audit/keys.ts';
import { openLog, populationsHolder, type Log } from './audit/log.ts';
import { logIdOf } from './audit/log-id.ts';
import { createMapSnapshots, snapshotFile, snapshotKey } from './audit/map-snapshot.ts';
import { createProver, type Prover } from './audit/proof.ts';
import { parseVerifierKey } from './audit/note.ts';
import { readPolicyFile } from './audit/policy-file.ts';
import { createPublisher, createSigner, type Publisher, type Signer } from './audit/publish.ts';
import { createWitnesses, type Witnesses } from './audit/witnesses.ts';
import { sealKeyName, type Finality, type TrustedChain } from './audit/bundle.ts';
import type { Chain, FinalityRule } from './chain/chain.ts';
import { loadArtifact, projectRoot } from './chain/compile.ts';
import { readChainKey } from './chain/key-file.ts';
import type { LocalChain } from './chain/local.ts';
import type { Config } from './config.ts';
import { ensureNotices } from './consent/notices.ts';
import { populationNames } from './consent/populations.ts';
import { GatewayError } from './errors.ts';
import { createGate, type Gate } from './gate.ts';
import { loadKeys, type Keys } from './key-files.ts';
import { checkFingerprints } from './key-fingerprints.ts';
import type { OperationParts } from './operations/parts.ts';
import { cleanIfDue } from './rights/clean.ts';
import { erasedFile, openErasedList } from './rights/erased-list.ts';
import { databaseFile, holdsData, openStore } from './store/open.ts';
import type { PostgresOptions } from './store/postgres.ts';
import { alwaysLeader, onlyOne, type Leadership, type Presence } from './store/processes.ts';
import type { SqliteOptions } from './store/sqlite.ts';
import type { Store, Tx } from './store/store.ts';
import { setting } from './store/tables.ts';
import type { System } from './system.ts';

/** Everything but the network and the chain. */
export interface Core {
  readonly config: Config;
  readonly system: System;
  readonly keys: Keys;
  readonly store: Store;
  readonly keyring: Keyring;
  readonly log: Log;
  readonly gate: Gate;
  readonly logSigner: Signer;
  readonly sealSigner: Signer;
  readonly publisher: Publisher;
  readonly prover: Prover;
  /** Those who cosign heads; none without a policy. */
  readonly witnesses: Witnesses;
  readonly operations: OperationParts;
  /** Whether this process signs and anchors, of several on one database. */
  readonly leadership: Leadership;
  /** Tells the prover which chain to name; null until one is open. */
  setChain(chain: TrustedChain | null): Promise<void>;
  /** What anchors the newest head before a person's file is made, so that the file carries an anchor of its own. */
  anchorBeforeProofs(work: () => Promise<void>): void;
  /** The chain and contract anchors go to; null before one was opened. */
  chain(): Promise<TrustedChain | null>;
  close(): Promise<void>;
}

export interface CoreOptions extends Partial<SqliteOptions> {
  /** Refuses to start on a log that contradicts what was signed. Off only for looking at a damaged copy. */
  readonly checkLog?: boolean;
  readonly postgres?: PostgresOptions;
  /** A gateway leads as long as it lives when it can; a command, which is the default, for one head at most. */
  readonly role?: 'gateway' | 'command';
}

/** This process among others on the same data. */
interface Place {
  readonly leadership: Leadership;
  readonly presence: Presence;
}

export { databaseFile };
export const migrationsFolder = join(projectRoot, 'migrations');

/** @throws GatewayError `log_fork` naming the entry that is missing or changed */
export async function openCore(given: Config, system: System, options: CoreOptions = {}): Promise<Core> {
  mkdirSync(given.home, { recursive: true, mode: 0o700 });
  // New keys would open nothing of it and sign as another log.
  const hasKeys = existsSync(join(given.home, 'keys', 'wrapping.key'));
  if (!hasKeys && (await holdsData(given, migrationsFolder))) {
    const what = given.postgresUrl === undefined ? `${given.home} holds data` : 'the database holds data';
    throw new GatewayError(
      'config_invalid',
      `${what} but ${given.home} not its keys; put them back: assent restore --keys FILE --home ${given.home}`,
    );
  }
  const keys = loadKeys(join(given.home, 'keys'), system.random);
  const store = await openStore(given, {
    migrations: migrationsFolder,
    onFatal: (cause) => {
      // Durability can no longer be promised. Nothing that waits may be answered, so the process ends here.
      process.stderr.write(
        `the disk refused to sync: ${cause instanceof Error ? cause.message : 'unknown'}\n`,
      );
      process.exit(70);
    },
    ...options,
  });
  let place: Place | undefined;
  try {
    await checkFingerprints(store, keys, join(given.home, 'keys'));
    place = await takePlace(given, system, options.role ?? 'command');
    return await openOn(store, keys, given, system, options, place);
  } catch (error) {
    await place?.leadership.close();
    await place?.presence.close();
    await store.close();
    throw error;
  }
}

/** @throws GatewayError `config_invalid` when this gateway and another one cannot work on the same database */
async function takePlace(config: Config, { random }: System, role: 'gateway' | 'command'): Promise<Place> {
  if (config.postgresUrl === undefined) return { leadership: alwaysLeader, presence: onlyOne };
  const url = config.postgresUrl();
  const { contendForLead, leadForOnce } = await import('./store/leader.ts');
  const { joinProcesses } = await import('./store/presence.ts');
  if (role === 'command')
    return { leadership: leadForOnce(url), presence: joinProcesses(url, { random, company: 'unnoticed' }) };
  const presence = joinProcesses(url, {
    random,
    company: config.chainUrl === undefined ? 'alone' : 'many',
    onCrowded: (error) => {
      process.stderr.write(`Assent stops (${error.code}): ${error.message}
`);
      process.exit(1);
    },
  });
  await presence.number();
  return { leadership: await contendForLead(url), presence };
}

async function openOn(
  store: Store,
  keys: Keys,
  given: Config,
  system: System,
  options: CoreOptions,
  { leadership, presence }: Place,
): Promise<Core> {
  const config = Object.freeze({ ...given, origin: await fixedOrigin(store, given) });
  const keyring = createKeyring(keys['wrapping.key'], system.random);
  const snapshots = createMapSnapshots({
    path: join(config.home, snapshotFile),
    origin: config.origin,
    key: snapshotKey(keys['wrapping.key']),
    store,
    role: options.role === 'gateway' ? 'owns' : 'reads',
    warn: (line) => void process.stderr.write(`${line}\n`),
  });
  const log = await openLog(store, keyring, (size) => snapshots.load(size));
  const logSigner = createSigner(config.origin, keys['log.key']);
  const sealSigner = createSigner(sealKeyName(config.origin), keys['seal.key']);
  const publisher = createPublisher({
    store,
    log,
    signer: logSigner,
    clock: system.clock,
    leadership,
    onHead: (head) => snapshots.offer(head, log),
  });
  if (options.checkLog !== false) await publisher.check();
  const witnesses = await openWitnesses({ config, store, log, logSigner, leadership }, system);
  const gate = createGate({ store, log, keyring, system, presence });
  await store.write(async (tx) => {
    await ensureNotices(tx, system.clock.nowMs());
    await keyring.openOrCreate(tx, populationsHolder);
  });

  // Read each time: the process that leads may have moved the log to another chain.
  const chain = async (): Promise<TrustedChain | null> => {
    const [row] = await store.read((reader) =>
      reader.db.select().from(setting).where(eq(setting.name, 'chain')),
    );
    return row === undefined ? null : (JSON.parse(row.value) as TrustedChain);
  };
  let anchorNow = async (): Promise<void> => undefined;
  const prover = createProver({
    store,
    log,
    keyring,
    publisher,
    logSigner,
    sealSigner,
    clock: system.clock,
    chain,
    populations: populationNames,
    witnesses,
    anchorNow: () => anchorNow(),
  });
  const operations: OperationParts = {
    gate,
    keyring,
    log,
    read: (work) => store.read(work),
    system,
    config,
    boundingKey: keys['bounding.key'],
    erased: openErasedList(join(config.home, erasedFile)),
    clean: () => cleanIfDue(store),
  };
  return {
    config,
    system,
    keys,
    store,
    keyring,
    log,
    gate,
    logSigner,
    sealSigner,
    publisher,
    prover,
    witnesses,
    operations,
    chain,
    anchorBeforeProofs(work) {
      anchorNow = work;
    },
    leadership,
    async setChain(next) {
      const value = JSON.stringify(next);
      await store.write(async (tx) => {
        await tx.db
          .insert(setting)
          .values({ name: 'chain', value })
          .onConflictDoUpdate({ target: setting.name, set: { value } });
      });
    },
    async close() {
      await leadership.close();
      await presence.close();
      await snapshots.close(log);
      await store.close();
    },
  };
}

type WitnessesPlace = Pick<Core, 'config' | 'store' | 'log' | 'logSigner' | 'leadership'>;

async function openWitnesses(
  { config, store, log, logSigner, leadership }: WitnessesPlace,
  { clock }: System,
): Promise<Witnesses> {
  const logKey = parseVerifierKey(logSigner.verifierKey);
  return createWitnesses({
    store,
    log,
    policy: readPolicyFile(config.witnessPolicyFile, logKey),
    logKey,
    clock,
    leadership,
    fetch: (url, init) => fetch(url, init),
    onConflict: ({ witness, detail }) =>
      void process.stderr.write(`WITNESS CONFLICT with ${witness}: ${detail}\n`),
  });
}

/**
 * The log keeps the name it got on its first start, whatever port a later start or the CLI uses.
 * @throws GatewayError `config_invalid` when another name is asked for by configuration
 */
async function fixedOrigin(store: Store, config: Config): Promise<string> {
  const named = eq(setting.name, 'origin');
  const [known] = await store.read((reader) => reader.db.select().from(setting).where(named));
  const stored = known?.value ?? (await store.write((tx) => nameLog(tx, config.origin)));
  if (config.originIsChosen && stored !== config.origin) {
    throw new GatewayError('config_invalid', `this log is named ${stored}; ASSENT_ORIGIN cannot rename it`);
  }
  return stored;
}

/** Of several processes that start at once, one names the log. */
async function nameLog({ db }: Tx, origin: string): Promise<string> {
  await db.insert(setting).values({ name: 'origin', value: origin }).onConflictDoNothing();
  const [row] = await db.select().from(setting).where(eq(setting.name, 'origin'));
  return row?.value ?? origin;
}

export interface OpenChain {
  readonly chain: Chain;
  /** JSON-RPC URL a verifier can use. */
  readonly url: string | undefined;
  readonly trusted: TrustedChain;
  close(): Promise<void>;
}

/**
 * The configured chain with the contract deployed; the local Hardhat chain where none is named.
 *
 * @throws GatewayError `chain_unavailable` when it cannot be asked
 * @param leads false: nothing is deployed and nothing noted; another process anchors, and does both
 * @throws GatewayError `config_invalid` when another chain answers than the one this log is anchored on, when the
 *   gateway that leads has another rule of finality, or when the key or the contract cannot be used
 */
export async function openChain(core: Core, leads = true): Promise<OpenChain> {
  const { config, keys, system } = core;
  // Loaded here: commands that open no chain start without its library.
  const { addressOfKey, deployAnchor, nameChain, openEvmChain } = await import('./chain/evm.ts');
  const key =
    config.chainKeyFile === undefined
      ? `0x${Buffer.from(keys['chain.key']).toString('hex')}`
      : readChainKey(config.chainKeyFile);
  const logId = logIdOf(config.origin);
  const artifact = await loadArtifact();
  let local: LocalChain | undefined;
  if (config.chainUrl === undefined) {
    const { openLocalChain } = await import('./chain/local.ts');
    local = await openLocalChain({
      folder: join(config.home, 'chain'),
      accountKeys: [key],
      initialDate: new Date(system.clock.nowMs() - 40 * 86_400_000).toISOString(),
      clock: system.clock,
      port: config.chainPort,
    });
  }
  try {
    const target = local === undefined ? { url: config.chainUrl ?? '' } : { provider: local.provider };
    const before = await core.chain();
    const named = await nameChain(target);
    refuseOtherChain(config, before, named.chainId);
    const isSame = before?.chainId === named.chainId && before.genesisHash === named.genesisHash;
    if (!leads && !isSame)
      throw new GatewayError(
        'config_invalid',
        'another chain answers than the one on which the gateway that leads anchors this log; all gateways on one database need the same chain',
      );
    const known = config.chainContract ?? (isSame ? before.contract : undefined);
    const { contract } = await deployAnchor({
      ...target,
      adminKey: key,
      artifact,
      logId,
      submitter: addressOfKey(key),
      ...(known === undefined
        ? {}
        : { contract: { address: known, required: config.chainContract !== undefined } }),
    });
    const finality: FinalityRule = local === undefined ? finalityRule(config) : { kind: 'local' };
    const chain = await openEvmChain({ ...target, contractAddress: contract, submitterKey: key, finality });
    const identity = await chain.identity();
    // A development node by URL is a local chain too, whatever the configuration says.
    const isLocal = chain.finality === 'local';
    const trusted: TrustedChain = { ...identity, finality: isLocal ? 'local' : finalityName(finality) };
    if (!leads) await refuseOtherFinality(core, trusted.finality);
    if (leads && JSON.stringify(before) !== JSON.stringify(trusted)) await core.setChain(trusted);
    return { chain, url: local?.url ?? config.chainUrl, trusted, close: async () => local?.close() };
  } catch (error) {
    await local?.close();
    throw error;
  }
}

/**
 * The first chain a log was anchored on stays its chain: a wrong URL, or none by mistake, would end its anchors as
 * lost and pay for a contract elsewhere. A local chain binds nobody.
 */
function refuseOtherChain(config: Config, before: TrustedChain | null, chainId: number): void {
  if (config.chainId !== undefined) {
    if (config.chainId === chainId) return;
    throw new GatewayError(
      'config_invalid',
      `ASSENT_CHAIN_ID is ${config.chainId}, but the chain that answers is ${chainId}`,
    );
  }
  if (before === null || before.finality === 'local' || before.chainId === chainId) return;
  throw new GatewayError(
    'config_invalid',
    `this log is anchored on chain ${before.chainId}, but the chain that answers is ${chainId}; ` +
      `ASSENT_CHAIN_ID=${chainId} moves the log there and gives up its anchors on the other`,
  );
}

/** The one that leads may have started in the same moment, with a rule it has not noted yet. */
async function refuseOtherFinality(core: Core, own: Finality): Promise<void> {
  for (let tries = 0; ; tries++) {
    const leading = (await core.chain())?.finality;
    if (leading === own) return;
    if (tries === 10)
      throw new GatewayError(
        'config_invalid',
        `ASSENT_CHAIN_FINALITY makes it ${own} here and ${leading ?? 'unknown'} at the gateway that leads; all gateways ` +
          'on one database need the same (to change it, stop all of them first)',
      );
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

function finalityRule(config: Config): FinalityRule {
  if (config.chainFinality === 'tag') return { kind: 'tag', tag: 'finalized' };
  if (config.chainFinality === 'safe') return { kind: 'tag', tag: 'safe' };
  if (config.chainFinality === 'instant') return { kind: 'instant' };
  return { kind: 'confirmations', blocks: config.chainFinality };
}

function finalityName(rule: FinalityRule): Finality {
  switch (rule.kind) {
    case 'local':
      return 'local';
    case 'instant':
      return 'instant';
    case 'tag':
      return rule.tag === 'finalized' ? 'finalized' : 'safe';
    case 'confirmations':
      return `confirmations:${rule.blocks}`;
  }
}
