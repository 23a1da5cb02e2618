import { createServer, type RequestListener } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { asc, eq } from 'drizzle-orm';
import { afterEach, describe, expect, it } from 'vitest';
import { cosign, formatCosignatureKey } from '../../gateway/audit/cosignature.ts';
import { entryKinds } from '../../gateway/audit/entry.ts';
import { formatSignatureLine, parseNote, parseVerifierKey } from '../../gateway/audit/note.ts';
import { checkCosignatures, parsePolicy, type Policy } from '../../gateway/audit/policy.ts';
import { createSigner, type SignedHead } from '../../gateway/audit/publish.ts';
import {
  createWitnesses,
  noteWithCosignatures,
  type Fetch,
  type Witnesses,
} from '../../gateway/audit/witnesses.ts';
import { startWitness, type RunningWitness } from '../../gateway/commands/witness.ts';
import { cosignature as cosignatureTable, entry as entryTable } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { clock, openLedger, origin, type Ledger } from './ledger.ts';

const logKeyText = createSigner(origin, new Uint8Array(32).fill(101)).verifierKey;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assent-witnesses-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function ledgerOf(count: number, folder = newFolder(), fileName?: string): Promise<Ledger> {
  const ledger = await openLedger(folder, 1, fileName);
  closing.push(() => ledger.close());
  await ledger.add(count);
  return ledger;
}

async function witness(
  name: string,
  home = newFolder(),
  port = 0,
): Promise<RunningWitness & { home: string }> {
  const order = {
    home,
    name,
    logs: [logKeyText],
    logsFile: undefined,
    host: '127.0.0.1',
    port,
    requestsPerMinute: 0,
  };
  const running = await startWitness(order, { clock, random: realSystem.random }, () => undefined);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= running.close());
  closing.push(close);
  return { ...running, close, home };
}

/** Somebody at a witness's address who says what he likes. */
async function impostor(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function policyOf(k: number, ...given: readonly { verifierKey: string; url: string }[]): Policy {
  const lines = given.map(({ verifierKey, url }, i) => `witness w${i + 1} ${verifierKey} ${url}\n`).join('');
  const names = given.map((_, i) => `w${i + 1}`).join(' ');
  return parsePolicy(`${lines}group g ${k} ${names}\nquorum g\n`);
}

const asking = (
  ledger: Ledger,
  policy: Policy,
  more: { fetch?: Fetch; timeoutMs?: number } = {},
): Promise<Witnesses> =>
  createWitnesses({
    store: ledger.store,
    log: ledger.log,
    policy,
    logKey: parseVerifierKey(logKeyText),
    clock,
    fetch,
    timeoutMs: 2000,
    ...more,
  });

async function published(ledger: Ledger): Promise<SignedHead> {
  const head = await ledger.publisher.publish();
  if (head === undefined) throw new Error('the log is empty');
  return head;
}

const stored = (ledger: Ledger) =>
  ledger.store.read(async (reader) =>
    reader.db
      .select()
      .from(cosignatureTable)
      .orderBy(asc(cosignatureTable.size), asc(cosignatureTable.witness)),
  );

/** How many entries say that something is wrong. */
const incidents = (ledger: Ledger): Promise<number> =>
  ledger.store.read(
    async (reader) =>
      (await reader.db.select().from(entryTable).where(eq(entryTable.kind, entryKinds.incident))).length,
  );

/** A key whose owner the test is. */
const ownSigner = createSigner('w.example/own', new Uint8Array(32).fill(55));
const ownKey = formatCosignatureKey(ownSigner.name, ownSigner.publicKey);
const dead = { verifierKey: ownKey, url: 'http://127.0.0.1:9' };

describe('heads and their witnesses', () => {
  it('two of three meet a quorum of two while the third is dead, head after head', async () => {
    const ledger = await ledgerOf(3);
    const [a, b] = [await witness('w.example/a'), await witness('w.example/b')];
    const policy = policyOf(2, a, b, dead);
    const witnesses = await asking(ledger, policy);
    expect(await witnesses.witnessedSize()).toBe(0);
    for (let round = 0; round < 3; round++) {
      const head = await published(ledger);
      const states = await witnesses.ask(head);
      expect(states.map(({ outcome, size }) => [outcome, size])).toEqual([
        ['cosigned', head.size],
        ['cosigned', head.size],
        ['unreachable', 0],
      ]);
      expect(await witnesses.witnessedSize()).toBe(head.size);
      const note = await ledger.store.read((reader) => noteWithCosignatures(reader, head));
      expect(note.startsWith(head.note)).toBe(true);
      expect(checkCosignatures(parseNote(note), policy)).toMatchObject({
        valid: [{ witness: 'w1' }, { witness: 'w2' }],
        quorum: true,
      });
      await ledger.add(2);
    }
    // What is stored is enough for the next process.
    const again = await asking(ledger, policy);
    expect(await again.witnessedSize()).toBe(await witnesses.witnessedSize());
    expect(again.states()[0]).toMatchObject({ outcome: 'waiting', size: await witnesses.witnessedSize() });
  });

  it('one of three: the log goes on, the level is not reached', async () => {
    const ledger = await ledgerOf(2);
    const a = await witness('w.example/a');
    const other = createSigner('w.example/other', new Uint8Array(32).fill(56));
    const alsoDead = {
      verifierKey: formatCosignatureKey(other.name, other.publicKey),
      url: 'http://127.0.0.1:9',
    };
    const witnesses = await asking(ledger, policyOf(2, a, dead, alsoDead));
    await witnesses.ask(await published(ledger));
    await ledger.add(1);
    const head = await published(ledger);
    await witnesses.ask(head);
    expect(await witnesses.witnessedSize()).toBe(0);
    expect((await stored(ledger)).map(({ size }) => size)).toContain(head.size);
    expect(await incidents(ledger)).toBe(0);
  });

  it('without a policy nothing is asked and nothing is witnessed', async () => {
    const ledger = await ledgerOf(1);
    const witnesses = await asking(ledger, parsePolicy('quorum none\n'));
    expect(await witnesses.ask(await published(ledger))).toEqual([]);
    expect(await witnesses.check()).toEqual([]);
    expect(await witnesses.witnessedSize()).toBe(0);
  });

  it('a witness that remembers another size of ours than we do is asked again from there', async () => {
    const ledger = await ledgerOf(3);
    const a = await witness('w.example/a');
    const first = await asking(ledger, policyOf(1, a));
    await first.ask(await published(ledger));
    await ledger.add(3);
    // Forgets what was stored, as after a restore of this table alone.
    await ledger.store.write(async (tx) => void (await tx.db.delete(cosignatureTable)));
    const second = await asking(ledger, policyOf(1, a));
    const head = await published(ledger);
    expect(await second.ask(head)).toMatchObject([{ outcome: 'cosigned', size: head.size }]);
  });

  it('a head that was cosigned is not sent again', async () => {
    const ledger = await ledgerOf(1);
    const a = await witness('w.example/a');
    let sent = 0;
    const counting: Fetch = (url, init) => {
      sent += 1;
      return fetch(url, init);
    };
    const witnesses = await asking(ledger, policyOf(1, a), { fetch: counting });
    const head = await published(ledger);
    for (let i = 0; i < 3; i++) await witnesses.ask(head);
    expect(sent).toBe(1);
  });
});

describe('a witness that fails', () => {
  it('is left alone for longer and longer, and asked again when it is back', async () => {
    const ledger = await ledgerOf(1);
    const a = await witness('w.example/a');
    const port = Number(new URL(a.url).port);
    await a.close();
    let sent = 0;
    const counting: Fetch = (url, init) => {
      sent += 1;
      return fetch(url, init);
    };
    const witnesses = await asking(ledger, policyOf(1, a), { fetch: counting });
    const head = await published(ledger);
    for (let second = 0; second < 60; second++) {
      await witnesses.ask(head);
      clock.advance(1000);
    }
    // At 0, 2, 6, 14, 30 seconds.
    expect(sent).toBe(5);
    await witness('w.example/a', a.home, port);
    clock.advance(10 * 60_000);
    expect(await witnesses.ask(head)).toMatchObject([{ outcome: 'cosigned', detail: null }]);
  });

  it('by saying nothing holds a round up no longer than the time for one request', async () => {
    const ledger = await ledgerOf(1);
    const silent = { verifierKey: ownKey, url: await impostor(() => undefined) };
    const a = await witness('w.example/a');
    const witnesses = await asking(ledger, policyOf(1, silent, a), { timeoutMs: 300 });
    const begun = performance.now();
    const head = await published(ledger);
    expect(await witnesses.ask(head)).toMatchObject([
      { outcome: 'unreachable', detail: 'it did not answer in time' },
      { outcome: 'cosigned' },
    ]);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await witnesses.witnessedSize()).toBe(head.size);
  });

  const text = (head: SignedHead): string => parseNote(head.note).text;
  it.each<[string, (head: SignedHead) => Promise<string | Buffer>]>([
    ['signs another root', async (head) => line(text(head).replace(/\n[^\n]+\n$/, `\n${'B'.repeat(43)}=\n`))],
    [
      'signs another size',
      async (head) => line(text(head).replace(`\n${head.size}\n`, `\n${head.size + 1}\n`)),
    ],
    [
      'gives a right line and then a wrong one',
      async (head) => (await line(text(head))) + (await line('x\n')),
    ],
    [
      'gives the line of another key',
      async (head) => line(text(head), createSigner('w.example/own', new Uint8Array(32).fill(57))),
    ],
    ['gives nothing', async () => ''],
    ['gives garbage', async () => Buffer.from('ff00fe', 'hex')],
    ['gives prose', async () => 'thank you\n'],
    ['gives half a line', async (head) => (await line(text(head))).slice(0, -9)],
    ['gives 65 lines', async (head) => (await line(text(head))).repeat(65)],
    ['gives 65 KiB', async () => 'x'.repeat(65 * 1024)],
  ])('because it %s adds nothing to the store', async (_, answer) => {
    const ledger = await ledgerOf(2);
    const head = await published(ledger);
    const body = await answer(head);
    const url = await impostor((request, response) => {
      request.resume();
      response.end(body);
    });
    const witnesses = await asking(ledger, policyOf(1, { verifierKey: ownKey, url }));
    const [state] = await witnesses.ask(head);
    expect(['refused', 'unreachable']).toContain(state?.outcome);
    expect(await stored(ledger)).toEqual([]);
    expect(await witnesses.witnessedSize()).toBe(0);
    expect(await incidents(ledger)).toBe(0);
  });

  it.each([
    ['500', 500, '', ''],
    ['404: it does not know this log', 404, '', ''],
    ['a size that is no number', 409, 'text/x.tlog.size', '050\n'],
    ['a size without newline', 409, 'text/x.tlog.size', '5'],
    ['the size it was asked from', 409, 'text/x.tlog.size', '0\n'],
    ['a size of another type', 409, 'text/plain', '5\n'],
  ])('with %s is refused, which is no contradiction', async (_, status, type, body) => {
    const ledger = await ledgerOf(2);
    const url = await impostor((request, response) => {
      request.resume();
      response.writeHead(status, type === '' ? {} : { 'content-type': type }).end(body);
    });
    const witnesses = await asking(ledger, policyOf(1, { verifierKey: ownKey, url }));
    expect(await witnesses.ask(await published(ledger))).toMatchObject([{ outcome: 'refused' }]);
    expect(await incidents(ledger)).toBe(0);
  });
});

describe('a log that contradicts what a witness saw', () => {
  /** The witness saw `seen` entries of one history; this log holds `held` of another, under the same key. */
  async function forked(seen: number, held: number) {
    const a = await witness('w.example/a');
    const folder = newFolder();
    const before = await ledgerOf(seen, folder, 'before.db');
    await (await asking(before, policyOf(1, a))).ask(await published(before));
    clock.advance(60_000);
    const after = await ledgerOf(held, folder, 'after.db');
    return { a, after, witnesses: await asking(after, policyOf(1, a)) };
  }

  it('by holding less does not start: the witness and both sizes are named', async () => {
    const { after, witnesses } = await forked(9, 3);
    await published(after);
    await expect(witnesses.check()).rejects.toThrow(
      expect.objectContaining({
        code: 'log_fork',
        details: { contradicts: 'witness', witness: 'w1', held: 4, known: 10 },
      }),
    );
  });

  it('by holding others does not start', async () => {
    const { after, witnesses } = await forked(3, 9);
    await published(after);
    await expect(witnesses.check()).rejects.toThrow(
      /the first 4 of the log's 10 entries do not have the root/,
    );
  });

  it('starts where no witness can be asked, and says so', async () => {
    const { a, witnesses } = await forked(9, 3);
    await a.close();
    expect((await witnesses.check()).map(({ witness: name }) => name)).toEqual(['w1']);
  });

  it('starts where the log is what the witness saw, and longer', async () => {
    const ledger = await ledgerOf(3);
    const a = await witness('w.example/a');
    const witnesses = await asking(ledger, policyOf(1, a));
    expect(await witnesses.check()).toMatchObject([{ detail: expect.stringContaining('knows no head') }]);
    await witnesses.ask(await published(ledger));
    await ledger.add(3);
    expect(await witnesses.check()).toEqual([]);
  });

  it('starts although a witness shows a head that this log never signed', async () => {
    const ledger = await ledgerOf(1);
    const foreign = await ledgerOf(9, newFolder());
    const broken = (await published(foreign)).note.replace(/(— \S+ \S{10})\S{4}/, '$1AAAA');
    const url = await impostor((_, response) => void response.end(broken));
    const witnesses = await asking(ledger, policyOf(1, { verifierKey: ownKey, url }));
    expect(await witnesses.check()).toHaveLength(1);
  });

  it.each([
    ['holding less', 9, 3, 'it knows this log at 10 entries; here are 4'],
    ['holding others', 3, 9, 'it does not take this log for an extension of its 4 entries'],
    ['holding as many others', 3, 3, 'it cosigned another root for 4 entries'],
  ])('by %s has it in the log, once, while it runs', async (_, seen, held, detail) => {
    const { after, witnesses } = await forked(seen, held);
    for (let round = 0; round < 3; round++) {
      const [state] = await witnesses.ask(await published(after));
      expect(state).toMatchObject({ outcome: 'conflict' });
      if (round === 0) expect(state?.detail).toBe(detail);
      clock.advance(11 * 60_000);
    }
    expect(await incidents(after)).toBe(1);
    expect(await stored(after)).toEqual([]);
  });
});

async function line(text: string, signer = ownSigner): Promise<string> {
  return formatSignatureLine(await cosign(text, 1_700_000_000, signer));
}
