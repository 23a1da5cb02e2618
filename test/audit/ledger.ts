// A whole log in a folder: real SQLite file, keys, checkpoints, proofs. Closing and opening it again is a restart.
import { join } from 'node:path';
import { createKeyring } from '../../gateway/audit/keys.ts';
import { type NewEntry, openLog, populationsHolder } from '../../gateway/audit/log.ts';
import { kindName } from '../../gateway/audit/payload.ts';
import { parsePolicy } from '../../gateway/audit/policy.ts';
import { type AnchorRow, createProver } from '../../gateway/audit/proof.ts';
import { createPublisher, createSigner } from '../../gateway/audit/publish.ts';
import { type Bundle, bundleText, sealBundle } from '../../gateway/audit/verify.ts';
import type { Chain } from '../../gateway/chain/chain.ts';
import { anchor as anchorTable, entry as entryTable } from '../../gateway/store/tables.ts';
import { handClock } from '../../gateway/system.ts';
import { openDataStore } from '../support/data-store.ts';

export const origin = 'ledger.example/log/1';
export const clock = handClock(Date.parse('2026-03-01T12:00:00Z'));

/** @param keyByte keys are this byte repeated, so that the same byte means the same keys */
export async function openLedger(folder: string, keyByte = 1, fileName = 'ledger.db') {
  const store = await openDataStore(join(folder, fileName));
  let drawn = 0;
  const random = {
    bytes: (length: number) =>
      new Uint8Array(length).map((_, place) => (keyByte * 31 + drawn++ + place) % 256),
  };
  const keyring = createKeyring(new Uint8Array(32).fill(keyByte), random);
  const log = await openLog(store, keyring);
  await store.write((tx) => keyring.openOrCreate(tx, populationsHolder));
  const seed = (label: number) => new Uint8Array(32).fill(keyByte + label);
  const logSigner = createSigner(origin, seed(100));
  const sealSigner = createSigner(`${origin}/seal`, seed(150));
  const publisher = createPublisher({ store, log, signer: logSigner, clock });
  const witnesses = {
    policy: parsePolicy('quorum none\n'),
    witnessedSize: async () => 0,
    ask: async () => [],
  };

  const ledger = {
    store,
    log,
    publisher,
    proverFor: (chain: Chain | undefined) =>
      createProver({
        store,
        log,
        keyring,
        publisher,
        logSigner,
        sealSigner,
        clock,
        witnesses,
        populations: ['analytics/browsing/engine:privacy', 'import'],
        chain: async () =>
          chain === undefined ? null : { ...(await chain.identity()), finality: 'local' as const },
      }),
    /** As the operator would seal it, true or not. */
    sealed: async (bundle: Bundle): Promise<string> =>
      bundleText(await sealBundle(bundle, (message) => sealSigner.sign(message))),
    /** Adds entries that differ by their number. */
    async add(count: number): Promise<void> {
      for (let added = 0; added < count; added++) {
        await store.write((tx) => log.append(tx, entryOf(log.durableSize())));
      }
    },
    anchors: (): Promise<AnchorRow[]> =>
      store.read(async (reader) => reader.db.select().from(anchorTable).orderBy(anchorTable.id)),
    states: async (): Promise<string[]> => (await ledger.anchors()).map((row) => row.state),
    kinds: (): Promise<string[]> =>
      store.read(async (reader) => {
        const rows = await reader.db
          .select({ kind: entryTable.kind })
          .from(entryTable)
          .orderBy(entryTable.number);
        return rows.map(({ kind }) => kindName(kind));
      }),
    close: () => store.close(),
  };
  return ledger;
}

export type Ledger = Awaited<ReturnType<typeof openLedger>>;

export function entryOf(number: number): NewEntry {
  return {
    kind: 'used',
    concern: { kind: 'person', id: `p-${number % 3}`, role: 'subject' },
    operationId: `op-${number}`,
    atMs: clock.nowMs(),
    outcome: 'allowed',
    recipient: null,
    keyClass: 'data',
    payload: { operation: 'read-data', row: number },
  };
}
