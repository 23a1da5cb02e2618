// The store as oidc-provider sees it: one adapter for every kind of record. Reads never enter the write queue.
import { and, eq, isNull, lte, or } from 'drizzle-orm';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { bound, query, type Store, type Tx } from '../store/store.ts';
import { oauthGrant, oauthRecord, partner } from '../store/tables.ts';
import type { System } from '../system.ts';
import { openRecord, recordHash, sealRecord } from './record.ts';

export interface AdapterParts {
  readonly store: Store;
  readonly system: System;
  /** Writes a client that registered itself (RFC 7591). */
  readonly registerClient: (metadata: AdapterPayload) => Promise<void>;
}

/** Records that end with the grant they belong to. */
const ofGrant = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
/** A second copy of a session, found and opened by its uid: the session's own id is not known to who has the uid. */
const sessionByUid = 'SessionUid';

const recordByHash = query((db) =>
  db
    .select({
      payload: oauthRecord.payload,
      expiresMs: oauthRecord.expiresMs,
      consumedMs: oauthRecord.consumedMs,
    })
    .from(oauthRecord)
    .where(and(eq(oauthRecord.model, bound('model')), eq(oauthRecord.hash, bound('hash')))),
);
const clientById = query((db) =>
  db
    .select({ client: partner.client, status: partner.status })
    .from(partner)
    .where(eq(partner.id, bound('id'))),
);

/** @returns a factory as oidc-provider's `adapter` wants it */
export function createAdapter(parts: AdapterParts): (model: string) => Adapter {
  return (model) => (model === 'Client' ? clientAdapter(parts) : recordAdapter(model, parts));
}

function recordAdapter(model: string, { store, system }: AdapterParts): Adapter {
  const { clock, random } = system;

  async function find(asModel: string, id: string): Promise<AdapterPayload | undefined> {
    const hash = recordHash(id as unknown);
    if (hash === undefined) return undefined;
    const [row] = await store.read((reader) => reader.run(recordByHash, { model: asModel, hash }));
    if (row === undefined || (row.expiresMs !== null && row.expiresMs <= clock.nowMs())) return undefined;
    const payload = openRecord(asModel, id, row.payload);
    if (payload === undefined) return undefined;
    if (row.consumedMs !== null) payload['consumed'] = Math.floor(row.consumedMs / 1000);
    return asModel === model ? { ...payload, jti: id } : payload;
  }

  return {
    async upsert(id, { jti: _jti, consumed: _consumed, ...payload }, expiresIn) {
      const nowMs = clock.nowMs();
      const uid = model === 'Session' && typeof payload.uid === 'string' ? payload.uid : undefined;
      const hash = recordHash(id);
      const row = {
        model,
        hash,
        payload: sealRecord(model, id, payload, random),
        grantHash: ofGrant.has(model) ? (recordHash(payload.grantId as unknown) ?? null) : null,
        uidHash: uid === undefined ? null : recordHash(uid),
        account: payload.accountId ?? payload.session?.accountId ?? null,
        expiresMs: expiresIn ? nowMs + expiresIn * 1000 : null,
      };
      await store.write(async (tx) => {
        if (model === 'ReplayDetection') return insertOnce(tx, row, nowMs);
        await put(tx, row);
        if (uid !== undefined) {
          const sealed = sealRecord(sessionByUid, uid, payload, random);
          await put(tx, {
            ...row,
            model: sessionByUid,
            hash: recordHash(uid),
            payload: sealed,
            uidHash: null,
          });
        }
      });
    },

    find: (id) => find(model, id),
    findByUid: (uid) => find(sessionByUid, uid),
    // Device flow is off.
    findByUserCode: () => Promise.resolve(undefined),

    async consume(id) {
      const nowMs = clock.nowMs();
      const first = await store.write((tx) =>
        tx.db
          .update(oauthRecord)
          .set({ consumedMs: nowMs })
          .where(
            and(
              eq(oauthRecord.model, model),
              eq(oauthRecord.hash, recordHash(id)),
              isNull(oauthRecord.consumedMs),
            ),
          )
          .returning({ hash: oauthRecord.hash }),
      );
      // Two requests may have found it unused at the same time: only one of them goes on.
      if (first.length === 0) throw new errors.InvalidGrant('already used');
    },

    async destroy(id) {
      const hash = recordHash(id);
      await store.write(async (tx) => {
        const [gone] = await tx.db
          .delete(oauthRecord)
          .where(and(eq(oauthRecord.model, model), eq(oauthRecord.hash, hash)))
          .returning({ uidHash: oauthRecord.uidHash });
        if (gone?.uidHash != null) {
          const copy = and(eq(oauthRecord.model, sessionByUid), eq(oauthRecord.hash, gone.uidHash));
          await tx.db.delete(oauthRecord).where(copy);
        }
        if (model === 'Grant') {
          const live = and(eq(oauthGrant.id, hash), isNull(oauthGrant.revokedMs));
          await tx.db.update(oauthGrant).set({ revokedMs: clock.nowMs() }).where(live);
        }
      });
    },

    async revokeByGrantId(grantId) {
      const ofThis = and(eq(oauthRecord.model, model), eq(oauthRecord.grantHash, recordHash(grantId)));
      await store.write((tx) => tx.db.delete(oauthRecord).where(ofThis));
    },
  };
}

type Row = Omit<typeof oauthRecord.$inferInsert, 'consumedMs'>;

async function put(tx: Tx, row: Row): Promise<void> {
  await tx.db
    .insert(oauthRecord)
    .values(row)
    .onConflictDoUpdate({ target: [oauthRecord.model, oauthRecord.hash], set: row });
}

async function insertOnce(tx: Tx, row: Row, nowMs: number): Promise<void> {
  if (!(await isNew(tx, row, nowMs))) throw new errors.InvalidGrant('replay detected');
}

/** Records something that may happen once; false when it is there already and has not run out. */
export async function isNew(tx: Tx, row: Row, nowMs: number): Promise<boolean> {
  const inserted = await tx.db
    .insert(oauthRecord)
    .values(row)
    .onConflictDoUpdate({
      target: [oauthRecord.model, oauthRecord.hash],
      set: row,
      setWhere: lte(oauthRecord.expiresMs, nowMs),
    })
    .returning({ hash: oauthRecord.hash });
  return inserted.length > 0;
}

/** Clients are partners: registered by the operator, or by themselves with an initial access token. */
function clientAdapter({ store, registerClient }: AdapterParts): Adapter {
  const none = (): Promise<undefined> => Promise.resolve(undefined);
  return {
    async find(id) {
      const [row] = await store.read((reader) => reader.run(clientById, { id }));
      if (row === undefined || row.status !== 'active') return undefined;
      return JSON.parse(row.client) as AdapterPayload;
    },
    upsert: (_id, metadata) => registerClient(metadata),
    findByUid: none,
    findByUserCode: none,
    consume: none,
    destroy: none,
    revokeByGrantId: none,
  };
}

/**
 * Deletes records that have run out, at most `limit` a call.
 * @returns how many were deleted
 */
export async function deleteExpired(store: Store, nowMs: number, limit = 1000): Promise<number> {
  return store.write(async (tx) => {
    const expired = await tx.db
      .select({ model: oauthRecord.model, hash: oauthRecord.hash })
      .from(oauthRecord)
      .where(lte(oauthRecord.expiresMs, nowMs))
      .limit(limit);
    for (let from = 0; from < expired.length; from += 100) {
      const some = expired
        .slice(from, from + 100)
        .map(({ model, hash }) => and(eq(oauthRecord.model, model), eq(oauthRecord.hash, hash)));
      await tx.db.delete(oauthRecord).where(or(...some));
    }
    return expired.length;
  });
}

/** Deletes every token, code, session, request and grant of one person, in the caller's transaction; for erasure. */
export async function deletePersonRecords(tx: Tx, person: string): Promise<void> {
  await tx.db.delete(oauthRecord).where(eq(oauthRecord.account, person));
}
