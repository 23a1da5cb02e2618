// Builds what a verifier checks: the trust file, and the bundle of one entry. Reads only durable, signed state.
import { and, desc, eq, inArray } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { anchor as anchorTable, checkpoint as checkpointTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import {
  bundleText,
  sealBundle,
  trustText,
  type Bundle,
  type BundleAnchor,
  type Trust,
  type TrustedChain,
} from './bundle.ts';
import { toBase64 } from './bytes.ts';
import { isMapHead } from './entry.ts';
import type { Keyring } from './keys.ts';
import { populationsHolder, type Log } from './log.ts';
import { findEntry, openPayload } from './payload.ts';
import { policyTextFor } from './policy.ts';
import { proveEvidence, type EvidenceOrder } from './prove-evidence.ts';
import { provePerson } from './prove-person.ts';
import type { Publisher, SignedHead, Signer } from './publish.ts';
import type { MerkleTree } from './tree.ts';
import { noteWithCosignatures, type Witnesses } from './witnesses.ts';

export type AnchorRow = typeof anchorTable.$inferSelect;

export interface Prover {
  /** Canonical text of the bundle of one entry. @throws GatewayError `not_found`, `conflict` before it is signed */
  bundle(number: number, disclose: boolean): Promise<string>;
  /** Everything about one person and that nothing is missing; see `provePerson`. */
  person(person: string, since?: number | null): Promise<string>;
  /** A selection of entries with one proof for all; see `proveEvidence`. */
  evidence(order: EvidenceOrder): Promise<string>;
  trust(): Promise<string>;
  /** The note to publish: the newest checkpoint, or the newest witnessed one while that is young. */
  checkpoint(): Promise<string | undefined>;
  /** Sizes up to which entries have reached each level. */
  reached(): Promise<Reached>;
}

export interface Reached {
  readonly checkpointed: number;
  readonly witnessed: number;
  readonly anchored: number;
  readonly final: number;
}

export interface ProverParts {
  readonly store: Store;
  readonly log: Log;
  readonly keyring: Keyring;
  readonly publisher: Publisher;
  readonly logSigner: Signer;
  readonly sealSigner: Signer;
  readonly clock: Clock;
  /** What a verifier must know of the chain; null without one. */
  readonly chain: () => Promise<TrustedChain | null>;
  /** Every population there is, sorted. */
  readonly populations: readonly string[];
  readonly witnesses: Pick<Witnesses, 'witnessedSize' | 'policy' | 'ask'>;
  /** Anchors the newest head where that is quick and costs nothing; else resolves at once. */
  readonly anchorNow?: () => Promise<void>;
}

/** How far behind the newest checkpoint a witnessed one may be and still be published in its stead. */
const youngMs = 30_000;

/** The name of one chain and contract in the anchor table. */
export function epochOf(chain: Pick<TrustedChain, 'chainId' | 'genesisHash' | 'contract'>): string {
  return `${chain.chainId}/${chain.genesisHash}/${chain.contract}`;
}

export function createProver(parts: ProverParts): Prover {
  const { store, log, keyring, publisher, logSigner, sealSigner } = parts;
  const origin = logSigner.name;
  const { witnesses } = parts;
  const asksWitnesses = witnesses.policy.quorum !== 'none';

  const noteAsStored = (head: SignedHead): Promise<string> =>
    store.read((reader) => noteWithCosignatures(reader, head));

  /** For a file that leaves: its head is newer than the last round of the witnesses, so they are asked now. */
  async function noteOf(head: SignedHead): Promise<string> {
    if (asksWitnesses && (await witnesses.witnessedSize()) < head.size) await witnesses.ask(head);
    return noteAsStored(head);
  }

  async function newestAnchor(
    chain: TrustedChain | null,
    states: readonly string[],
  ): Promise<AnchorRow | undefined> {
    if (chain === null) return undefined;
    const [row] = await store.read((reader) =>
      reader.db
        .select()
        .from(anchorTable)
        .where(and(eq(anchorTable.epoch, epochOf(chain)), inArray(anchorTable.state, [...states])))
        .orderBy(desc(anchorTable.size))
        .limit(1),
    );
    return row;
  }

  /** The newest anchor, and how it belongs to the head; null while there is none. */
  async function anchorFor(head: SignedHead, tree: MerkleTree): Promise<BundleAnchor | null> {
    const chain = await parts.chain();
    const anchored = await newestAnchor(chain, ['mined', 'final']);
    if (chain === null || anchored === undefined) return null;
    const [older, newer] = [Math.min(anchored.size, head.size), Math.max(anchored.size, head.size)];
    return {
      chainId: chain.chainId,
      genesisHash: chain.genesisHash,
      contract: chain.contract,
      transactionHash: anchored.transactionHash,
      blockNumber: anchored.blockNumber ?? 0,
      seq: anchored.sequence ?? 0,
      size: anchored.size,
      root: toBase64(anchored.root),
      checkpointHash: toBase64(anchored.checkpointHash),
      consistency: tree.consistencyPath(older, newer).map(toBase64),
    };
  }

  return {
    async bundle(number, disclose) {
      // Another process may have appended it.
      if (number >= log.durableSize()) await log.refresh();
      const found = await store.read(async (reader) => {
        const row = await findEntry(reader, number);
        return row === undefined
          ? undefined
          : { row, disclosure: disclose ? await openPayload(keyring, reader, row) : undefined };
      });
      // A map head is no entry: it is about nobody, and every checkpoint shows it.
      if (found === undefined || number >= log.durableSize() || isMapHead(found.row.leaf))
        throw new GatewayError('not_found', 'there is no such entry');
      const head = await publisher.publish();
      if (head === undefined || number >= head.size)
        throw new GatewayError('conflict', 'this entry is not signed yet; ask again in a second');
      const tree = await log.tree();
      const anchored = await anchorFor(head, tree);
      const unsealed: Omit<Bundle, 'seal'> = {
        format: 'assent-bundle/v1',
        origin,
        entry: { index: number, leaf: toBase64(found.row.leaf) },
        disclosure:
          found.disclosure === undefined
            ? null
            : { opening: toBase64(found.disclosure.opening), payload: toBase64(found.disclosure.plain) },
        checkpoint: await noteOf(head),
        inclusion: tree.inclusionPath(number, head.size).map(toBase64),
        anchor: anchored === null || number >= anchored.size ? null : anchored,
      };
      return bundleText(await sealBundle(unsealed, (message) => sealSigner.sign(message)));
    },

    person: (person, since = null) => provePerson({ ...parts, origin, noteOf, anchorFor }, person, since),

    evidence: (order) => proveEvidence({ ...parts, origin, noteOf, anchorFor }, order),

    async trust() {
      const { tag } = await store.read((reader) => keyring.open(reader, populationsHolder));
      const trust: Trust = {
        format: 'assent-trust/v2',
        origin,
        logKey: logSigner.verifierKey,
        sealKey: sealSigner.verifierKey,
        chain: await parts.chain(),
        policy: policyTextFor({ logKey: logSigner.verifierKey, policy: witnesses.policy }),
        populations: tag === undefined ? null : { key: toBase64(tag), names: parts.populations },
        exportedAt: new Date(parts.clock.nowMs()).toISOString(),
      };
      return trustText(trust);
    },

    async checkpoint() {
      const newest = await publisher.latest();
      if (newest === undefined) return undefined;
      const witnessedSize = asksWitnesses ? await witnesses.witnessedSize() : newest.size;
      if (witnessedSize >= newest.size) return noteAsStored(newest);
      // Each head is published before it is witnessed; readers who ask for witnesses would never see them.
      const [witnessed] = await store.read(async (reader) =>
        reader.db.select().from(checkpointTable).where(eq(checkpointTable.size, witnessedSize)),
      );
      const isYoung = witnessed !== undefined && newest.signedMs - witnessed.signedMs < youngMs;
      return noteAsStored(isYoung ? witnessed : newest);
    },

    async reached() {
      const chain = await parts.chain();
      const [head, witnessed, anchored, final] = await Promise.all([
        publisher.latest(),
        witnesses.witnessedSize(),
        newestAnchor(chain, ['mined', 'final']),
        newestAnchor(chain, ['final']),
      ]);
      return {
        checkpointed: head?.size ?? 0,
        witnessed,
        anchored: anchored?.size ?? 0,
        final: final?.size ?? 0,
      };
    },
  };
}
