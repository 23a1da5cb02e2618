// An operator who lies, with every key in hand, before people who kept yesterday's trust file and head. Each test says
// which check catches the lie; where one file cannot show it, the test says so and shows what does.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from '../../gateway/audit/bytes.ts';
import { decodeEntry } from '../../gateway/audit/entry.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { parseVerifierKey } from '../../gateway/audit/note.ts';
import { parsePersonBundle } from '../../gateway/audit/person-bundle.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { parsePolicy } from '../../gateway/audit/policy.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { replayLog } from '../../gateway/audit/replay.ts';
import { type Bundle, parseBundle } from '../../gateway/audit/verify.ts';
import { createWitnesses, type Witnesses } from '../../gateway/audit/witnesses.ts';
import { openLocalChain } from '../../gateway/chain/local.ts';
import { verifyCommand } from '../../gateway/commands/verify.ts';
import { type RunningWitness, startWitness } from '../../gateway/commands/witness.ts';
import { realSystem } from '../../gateway/system.ts';
import { formatAddCheckpoint } from '../../gateway/witness/add-checkpoint.ts';
import {
  newFolder,
  openLog as openOnChain,
  openSubmitter,
  removeFolders,
  submitterKey,
} from '../chain/rig.ts';
import { clock, entryOf, type Ledger, openLedger, origin } from './ledger.ts';
import * as liar from './liar.ts';

const { hidden, sizeYesterday, victim } = liar;
let yesterday: liar.Yesterday;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  yesterday = await liar.liveADay();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(async () => {
  await yesterday.local.close();
  await removeFolders();
});

const look = (file: string, more?: Parameters<typeof liar.look>[2]) => liar.look(yesterday, file, more);
const proverOf = (ledger: Ledger) => ledger.proverFor(yesterday.chain);

async function open(moment: 'before' | 'signed'): Promise<Ledger> {
  const ledger = await liar.openCopy(yesterday, moment);
  closing.push(() => ledger.close());
  return ledger;
}

/** The whole log once more with the same keys and without the hidden entry, of yesterday's size and then larger. */
async function rebuilt(larger = false): Promise<Ledger> {
  const ledger = await open('before');
  await liar.write(ledger, [4, 6, 7, 8, 9]);
  await ledger.publisher.publish();
  if (larger) {
    await liar.write(ledger, [10, 11]);
    await ledger.publisher.publish();
  }
  return ledger;
}

/** What an auditor with all leaves finds, or undefined. */
async function replayed(ledger: Ledger): Promise<string | undefined> {
  const head = (await ledger.publisher.latest())!;
  const map = new PersonIndex(sha256);
  const { mismatch } = await replayLog({
    leaves: await liar.leavesOf(ledger),
    heads: [head],
    map,
    populations: null,
  });
  return mismatch?.check;
}

async function resealed(change: (bundle: Bundle) => object): Promise<string> {
  const bundle = parseBundle(yesterday.entryFile);
  return liar.sealed({ ...bundle, ...change(bundle) });
}

describe('yesterday', () => {
  it('every file holds, with the chain and the kept head', async () => {
    const rpcUrl = yesterday.local.url!;
    expect(await look(yesterday.entryFile, { rpcUrl })).toBe('0: every check');
    expect(await look(yesterday.personFile, { rpcUrl })).toBe('0: every check');
  });

  it('and so do those of an honest next day', async () => {
    const ledger = await open('signed');
    await liar.write(ledger, [9, 10, 11]);
    expect(await look(await proverOf(ledger).bundle(hidden, true))).toBe('0: every check');
    const file = await proverOf(ledger).person(victim, sizeYesterday);
    expect(await look(file, { earlierText: yesterday.personFile })).toBe('4: every check');
    expect(await replayed(ledger)).toBeUndefined();
  });
});

describe("an entry omitted from a person's list", () => {
  it.each([2, hidden, 8])(
    'by leaving entry %i out of the file is caught by "completeness"',
    async (index) => {
      const ledger = await open('signed');
      const file = await liar.changedPerson(ledger, yesterday.chain, (bundle) =>
        liar.hide(bundle, [index], yesterday.trust),
      );
      expect(await look(file)).toBe('1: completeness');
    },
  );

  it('by a false map is caught by "completeness" where a later entry is shown: it says what number it is', async () => {
    const { ledger, map } = await withFalseMap([8]);
    const file = await liar.changedPerson(ledger, yesterday.chain, (bundle) =>
      liar.hide(bundle, [8], yesterday.trust, map),
    );
    expect(await look(file)).toBe('1: completeness');
  });

  it('by a false map that hides all from there on is caught by "earlier bundle" beside yesterday\'s', async () => {
    const { ledger, map } = await withFalseMap([8, 10]);
    const file = await liar.changedPerson(ledger, yesterday.chain, (bundle) =>
      liar.hide(bundle, [8, 10], yesterday.trust, map),
    );
    expect(await look(file, { earlierText: yesterday.personFile })).toBe('1: earlier bundle');
  });

  it('by a false map that hides only the newest is not seen in any one file: an auditor\'s replay catches it by "map head", and the gateway does not start', async () => {
    const { ledger, map } = await withFalseMap([10]);
    const file = await liar.changedPerson(ledger, yesterday.chain, (bundle) =>
      liar.hide(bundle, [10], yesterday.trust, map),
    );
    expect(await look(file, { earlierText: yesterday.personFile })).toBe('4: every check');
    expect(await replayed(ledger)).toBe('map head');
    await expect(ledger.publisher.check()).rejects.toMatchObject({ code: 'log_fork' });
    // Whoever holds that entry holds two sealed files that cannot both be true.
    const held = parseBundle(await proverOf(ledger).bundle(10, true));
    const { about } = decodeEntry(fromBase64(held.entry.leaf, 'test'));
    const shown = parsePersonBundle(file);
    expect(held.checkpoint).toBe(shown.checkpoint);
    expect(about).toMatchObject({ tag: fromBase64(shown.tag, 'test'), sequence: shown.own.indices.length });
  });

  /** Today's log, where entry 10 is one more of the victim's, under a map that leaves some out. */
  async function withFalseMap(left: readonly number[]): Promise<{ ledger: Ledger; map: PersonIndex }> {
    const ledger = await open('signed');
    await liar.write(ledger, [11, 12]);
    return { ledger, map: await liar.signWithoutMapping(ledger, left) };
  }
});

describe('a forked tree', () => {
  it('of the same size is caught by "kept head", exit code 3', async () => {
    const ledger = await rebuilt();
    expect((await ledger.publisher.latest())!.size).toBe(sizeYesterday);
    expect(await look(await proverOf(ledger).bundle(4, true))).toBe('3: kept head');
    expect(await look(await proverOf(ledger).person(victim))).toBe('3: kept head');
  });

  it('of another size is not seen in a file alone; with the public log it is caught by "kept head"', async () => {
    const ledger = await rebuilt(true);
    const file = await proverOf(ledger).bundle(4, true);
    expect(await look(file)).toBe('4: every check');
    expect(await look(file, { log: liar.publicLogOf(ledger) })).toBe('3: kept head');
    // A log that serves the honest tiles beside the forked file has no path between them, and stays untold.
    const honest = await open('signed');
    await liar.write(honest, [9, 10, 11]);
    await honest.publisher.publish();
    expect(await look(file, { log: liar.publicLogOf(honest) })).toBe('4: every check');
  });

  it('is caught by "earlier bundle" when it claims to go on from yesterday\'s file', async () => {
    const ledger = await rebuilt(true);
    const file = await proverOf(ledger).person(victim, sizeYesterday);
    expect(await look(file, { earlierText: yesterday.personFile })).toBe('1: earlier bundle');
    const pretending = await liar.changedPerson(ledger, yesterday.chain, (bundle) => ({
      ...bundle,
      own: parsePersonBundle(file).own,
      populations: parsePersonBundle(file).populations,
      extends: { ...parsePersonBundle(file).extends!, root: toBase64(yesterday.head.root) },
    }));
    expect(await look(pretending)).toBe('1: earlier bundle');
  });

  it('is not anchored where yesterday was: the gateway itself stops with log_fork', async () => {
    for (const larger of [false, true]) {
      const anchorer = liar.anchorerOf(await rebuilt(larger), yesterday.chain);
      await expect(anchorer.check()).rejects.toMatchObject({ code: 'log_fork' });
      await expect(anchorer.anchor()).rejects.toMatchObject({ code: 'log_fork' });
    }
  });
});

describe('a back-dated entry', () => {
  const aDayEarlier = (leaf: Buffer): Buffer => {
    leaf.writeBigUInt64BE(leaf.readBigUInt64BE(4) - 86_400n, 4);
    return leaf;
  };

  it('is not made by the gateway: a clock set back is refused', async () => {
    const ledger = await open('signed');
    const entry = { ...entryOf(11), atMs: clock.nowMs() - 6 * 60_000 };
    await expect(ledger.store.write((tx) => ledger.log.append(tx, entry))).rejects.toMatchObject({
      code: 'log_clock_backwards',
    });
  });

  it('put at the end by hand is not seen in a file of its own, where its place shows that it is younger than the head and the anchor of yesterday; a replay and a file with an entry before it see it', async () => {
    const ledger = await open('signed');
    await liar.writeLeaf(ledger, entryOf(11), aDayEarlier);
    const file = await proverOf(ledger).bundle(sizeYesterday, true);
    // Not anchored, though everything of yesterday is.
    expect(await look(file)).toBe('4: every check');
    expect(await replayed(ledger)).toBe('time');
    const both = await proverOf(ledger).evidence({
      selection: { kind: 'purpose', value: 'service', from: null, to: null },
      range: null,
      notices: [],
      receipts: [],
      numbers: [sizeYesterday - 1, sizeYesterday],
    });
    expect(await look(both)).toBe('1: inclusion');
    const bundle = parseBundle(file);
    const { anchor } = parseBundle(yesterday.entryFile);
    const old = { checkpoint: yesterday.head.note, inclusion: bundle.inclusion.slice(0, 4) };
    expect(await look(await liar.sealed({ ...bundle, ...old, anchor }))).toBe('1: inclusion');
    for (const index of [0, hidden, 8]) {
      const tree = await ledger.log.tree();
      const inclusion = tree.inclusionPath(index, sizeYesterday).map(toBase64);
      const moved = { ...bundle, ...old, inclusion, entry: { ...bundle.entry, index } };
      expect(await look(await liar.sealed(moved))).toBe('1: inclusion');
    }
  });

  it('put into the past is another history: caught by "kept head" at the same size and by the public log at another', async () => {
    const ledger = await open('before');
    await liar.writeLeaf(ledger, entryOf(11), aDayEarlier);
    await liar.write(ledger, [5, 6, 7, 8]);
    await ledger.publisher.publish();
    expect(await look(await proverOf(ledger).bundle(4, true))).toBe('3: kept head');
    await liar.write(ledger, [9]);
    const file = await proverOf(ledger).bundle(4, true);
    expect(await look(file, { log: liar.publicLogOf(ledger) })).toBe('3: kept head');
  });
});

describe('a swapped anchor', () => {
  const rpc = () => ({ rpcUrl: yesterday.local.url! });
  const anchored = (change: object) => resealed(({ anchor }) => ({ anchor: { ...anchor, ...change } }));

  it.each<[string, object]>([
    ['contract', { contract: `0x${'ab'.repeat(20)}` }],
    ['genesis', { genesisHash: `0x${'ab'.repeat(32)}` }],
    ['chain', { chainId: 1 }],
  ])('of another %s is caught by "anchor identity"', async (_, change) => {
    expect(await look(await anchored(change))).toBe('1: anchor identity');
  });

  it('of another history, or none, is caught by "anchor consistency"', async () => {
    const fork = await rebuilt(true);
    const tree = await fork.log.tree();
    const root = toBase64(tree.root(sizeYesterday));
    expect(await look(await anchored({ root }))).toBe('1: anchor consistency');
    const consistency = tree.consistencyPath(sizeYesterday, 13).map(toBase64);
    const larger = { size: 13, root: toBase64(tree.root(13)), consistency };
    expect(await look(await anchored(larger))).toBe('1: anchor consistency');
  });

  it.each<[string, object]>([
    ['transaction', { transactionHash: `0x${'ab'.repeat(32)}` }],
    ['number', { seq: 7 }],
    ['note', { checkpointHash: toBase64(new Uint8Array(32).fill(7)) }],
  ])(
    'with another %s is not seen offline; asking the chain catches it by "anchor on chain"',
    async (_, change) => {
      const file = await anchored(change);
      expect(await look(file)).toBe('0: every check');
      expect(await look(file, rpc())).toBe('1: anchor on chain');
    },
  );

  it('with another block is not caught, for a reorganisation may move it: the report names the block the chain does', async () => {
    const { blockNumber } = parseBundle(yesterday.entryFile).anchor!;
    const bundleText = await anchored({ blockNumber: blockNumber - 1 });
    const { exitCode, lines } = await verifyCommand({ bundleText, trustText: yesterday.trust, ...rpc() });
    expect(exitCode).toBe(0);
    const named = [...lines.join('\n').matchAll(/\bblock (\d+)/g)].map(([, number]) => Number(number));
    expect(named).toEqual([blockNumber]);
  });

  it('taken away altogether is exit code 4, not 0', async () => {
    expect(await look(await resealed(() => ({ anchor: null })))).toBe('4: every check');
  });
});

describe('a leaf used twice', () => {
  it('shown for another entry\'s place is caught by "inclusion"', async () => {
    const ledger = await open('signed');
    const inclusion = (await ledger.log.tree()).inclusionPath(8, sizeYesterday).map(toBase64);
    const file = await resealed(({ entry }) => ({ entry: { ...entry, index: 8 }, inclusion }));
    expect(await look(file)).toBe('1: inclusion');
  });

  it('logged again is caught by "completeness" in the person\'s file, and by "sequence" in a replay', async () => {
    const ledger = await open('signed');
    const used = (await liar.leavesOf(ledger))[hidden]!;
    await liar.writeLeaf(ledger, entryOf(11), () => used);
    const file = await liar.changedPerson(ledger, yesterday.chain, (bundle) => {
      const first = bundle.own.entries.find(({ index }) => index === hidden)!;
      const entries = bundle.own.entries.map((one) =>
        one.index === sizeYesterday ? { ...one, disclosure: first.disclosure } : one,
      );
      return { ...bundle, own: { ...bundle.own, entries } };
    });
    expect(await look(file)).toBe('1: completeness');
    expect(await replayed(ledger)).toBe('sequence');
  });
});

describe("the operator's own trust file", () => {
  it('inside a bundle is caught by "format"', async () => {
    const trust = JSON.parse(yesterday.trust) as object;
    expect(await look(await resealed(() => ({ trust })))).toBe('1: format');
  });

  it('beside a bundle by its keys: what holds there is caught by "checkpoint signature" with yesterday\'s', async () => {
    const { ledger, trust, file } = await withNewKeys();
    expect(await look(file, { trustText: trust, state: null })).toBe('4: every check');
    expect(await look(file)).toBe('1: checkpoint signature');
    const person = await proverOf(ledger).person(victim);
    expect(await look(person)).toBe('1: checkpoint signature');
    // Beside yesterday's head even the new trust file does not help at that size.
    expect(await look(file, { trustText: trust })).toBe('3: kept head');
  });

  it('for a log of another name is caught by "trust"', async () => {
    const file = await resealed(() => ({ origin: 'ledger.example/log/2' }));
    expect(await look(file)).toBe('1: trust');
  });
});

/** A log of the same name and size from nothing, by other keys, without the hidden entry. */
async function withNewKeys(): Promise<{ ledger: Ledger; trust: string; file: string }> {
  const ledger = await openLedger(await newFolder(), 2);
  closing.push(() => ledger.close());
  await liar.write(ledger, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
  const prover = proverOf(ledger);
  return { ledger, trust: await prover.trust(), file: await prover.bundle(4, true) };
}

describe('log, keys and local chain rebuilt without one entry', () => {
  it('by new keys: caught by "checkpoint signature"', async () => {
    const { file } = await withNewKeys();
    expect(await look(file)).toBe('1: checkpoint signature');
  });

  it('by the same keys on a chain begun anew: caught by "anchor identity"', async () => {
    const local = await openLocalChain({
      folder: await newFolder(),
      accountKeys: [submitterKey],
      initialDate: '2026-01-02T00:00:00.000Z',
      clock,
    });
    closing.push(() => local.close());
    const { contract } = await openOnChain(local, logIdOf(origin));
    const chain = await openSubmitter(local, contract);
    const ledger = await rebuilt(true);
    await liar.anchorerOf(ledger, chain).anchor();
    expect(await look(await ledger.proverFor(chain).bundle(4, true))).toBe('1: anchor identity');
  });

  it('by the same keys on a chain rebuilt to the same block 0 and contract: no check of one file sees it; the kept head does, exit code 3', async () => {
    const { local, chain } = await liar.chainFor();
    closing.push(() => local.close());
    expect(await chain.identity()).toEqual(await yesterday.chain.identity());
    const ledger = await rebuilt();
    await liar.anchorerOf(ledger, chain).anchor();
    await liar.write(ledger, [10, 11]);
    const file = await ledger.proverFor(chain).bundle(4, true);
    const rpcUrl = local.url!;
    expect(await look(file, { rpcUrl, state: null })).toBe('0: every check');
    // The anchor has the size of the kept head; one of another size needs the public log.
    expect(await look(file, { rpcUrl })).toBe('3: kept head');
    await liar.anchorerOf(ledger, chain).anchor();
    const later = await ledger.proverFor(chain).bundle(4, true);
    expect(await look(later, { rpcUrl })).toBe('0: every check');
    expect(await look(later, { rpcUrl, log: liar.publicLogOf(ledger) })).toBe('3: kept head');
    // What yesterday left is not on the rebuilt chain.
    expect(await look(yesterday.entryFile, { rpcUrl })).toBe('1: anchor on chain');
  });
});

describe('a witness that saw yesterday', () => {
  it('refuses a rebuilt log of the same size: 409, and keeps both notes', async () => {
    const witness = await witnessOfYesterday();
    const ledger = await rebuilt();
    const head = (await ledger.publisher.latest())!;
    expect(await post(witness, formatAddCheckpoint(sizeYesterday, [], head.note))).toBe(409);
    expect(await conflictsOf(witness)).toEqual([
      { kind: 'split', size: sizeYesterday, cosigned: yesterday.head.note, refused: head.note },
    ]);
  });

  it('refuses a larger one: 422, and keeps both notes', async () => {
    const witness = await witnessOfYesterday();
    const ledger = await rebuilt(true);
    const head = (await ledger.publisher.latest())!;
    const proof = (await ledger.log.tree()).consistencyPath(sizeYesterday, head.size);
    expect(await post(witness, formatAddCheckpoint(sizeYesterday, proof, head.note))).toBe(422);
    expect(await conflictsOf(witness)).toEqual([
      { kind: 'unproven', size: head.size, cosigned: yesterday.head.note, refused: head.note },
    ]);
  });

  it('does not know the name of a log by new keys: 403', async () => {
    const witness = await witnessOfYesterday();
    const { ledger } = await withNewKeys();
    const head = (await ledger.publisher.latest())!;
    expect(await post(witness, formatAddCheckpoint(sizeYesterday, [], head.note))).toBe(403);
    expect(await conflictsOf(witness)).toEqual([]);
  });

  it('stops the start of a gateway on the rebuilt log, and is an incident in it where it runs', async () => {
    const witness = await witnessOfYesterday();
    for (const larger of [false, true]) {
      const ledger = await rebuilt(larger);
      const asked = await witnessesOf(ledger, witness);
      await expect(asked.check()).rejects.toMatchObject({ code: 'log_fork' });
      const [state] = await asked.ask((await ledger.publisher.latest())!);
      expect(state).toMatchObject({ outcome: 'conflict', size: 0 });
      expect((await ledger.kinds()).at(-1)).toBe('incident');
    }
  });

  it('cosigns the honest next day', async () => {
    const witness = await witnessOfYesterday();
    const ledger = await open('signed');
    await liar.write(ledger, [9, 10]);
    const [state] = await (await witnessesOf(ledger, witness)).ask((await ledger.publisher.publish())!);
    expect(state).toMatchObject({ outcome: 'cosigned', size: 13 });
  });

  async function witnessOfYesterday(): Promise<RunningWitness> {
    const witness = await startWitness(
      {
        home: await newFolder(),
        name: 'witness.example/w1',
        logs: [liar.logSigner.verifierKey],
        logsFile: undefined,
        host: '127.0.0.1',
        port: 0,
        requestsPerMinute: 0,
      },
      { clock, random: realSystem.random },
      () => undefined,
    );
    closing.push(() => witness.close());
    expect(await post(witness, formatAddCheckpoint(0, [], yesterday.head.note))).toBe(200);
    return witness;
  }

  async function post({ url }: RunningWitness, body: string): Promise<number> {
    return (await fetch(`${url}/add-checkpoint`, { method: 'POST', body })).status;
  }

  async function conflictsOf({ url }: RunningWitness): Promise<object[]> {
    const log = createHash('sha256').update(origin).digest('hex');
    const answer = await fetch(`${url}/${log}/conflicts`);
    const { conflicts } = (await answer.json()) as { conflicts: Record<string, unknown>[] };
    return conflicts.map(({ kind, size, cosigned, refused }) => ({ kind, size, cosigned, refused }));
  }

  function witnessesOf({ store, log }: Ledger, { verifierKey, url }: RunningWitness): Promise<Witnesses> {
    const policy = parsePolicy(`witness w1 ${verifierKey} ${url}\nquorum w1\n`);
    const logKey = parseVerifierKey(liar.logSigner.verifierKey);
    return createWitnesses({ store, log, policy, logKey, clock, fetch });
  }
});
