// A person whose every trace is a marker that a search of the bytes on disk can find.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eq } from 'drizzle-orm';
import type { RowBatch } from '../../engine/index.ts';
import type { Core } from '../../gateway/compose.ts';
import { turnSwitch } from '../../gateway/consent/switches.ts';
import { createAdapter } from '../../gateway/oauth/adapter.ts';
import { recordHash } from '../../gateway/oauth/record.ts';
import { enrol, hashSecret, invite } from '../../gateway/operations/accounts.ts';
import { importConsents } from '../../gateway/operations/import-consents.ts';
import { importData, type ImportOrder } from '../../gateway/operations/import-data.ts';
import {
  budgetPerson,
  entry,
  event,
  holderKey,
  model,
  oauthGrant,
  partner,
  person as personTable,
  quarantine,
  run,
  runMember,
  session,
} from '../../gateway/store/tables.ts';

export interface Planted {
  readonly person: string;
  /** `SOURCE:KEY` of the person. */
  readonly reference: string;
  /** Name of what was planted → bytes that are on disk now and must not be after an erasure. */
  readonly erased: Readonly<Record<string, Buffer>>;
  /** The same for what lives on as evidence until its clock runs out. */
  readonly evidence: Readonly<Record<string, Buffer>>;
  /** Loads the file the person came from once more. */
  importAgain(): ReturnType<typeof importData>;
  importConsentsAgain(): ReturnType<typeof importConsents>;
}

const source = 'marked';

/** The time of a planted event, and the file's own form of it. */
const eventMs = 1_767_312_345_678;

/** @param mark begins every marker, so that two people's do not meet; letters and digits */
export async function plantMarkers(core: Core, mark: string): Promise<Planted> {
  const of = (name: string): string => `${mark}-${name}-Zq7`;
  const key = of('reference');
  const reference = `${source}:${key}`;
  const raw = `${key};${of('quarantined')};broken`;
  const strayRaw = `?? ${key} ${of('stray')}`;
  const order = (rows: 'all' | 'stray'): ImportOrder => ({
    operator: 'op',
    source,
    legalBasis: 'contract',
    async *open(): AsyncGenerator<RowBatch> {
      yield rows === 'stray'
        ? {
            items: [{ key: 'common', title: 'Common', attributes: {} }],
            events: [],
            attributes: [],
            rejected: [{ source, line: 1, code: 'missing_value', raw: strayRaw }],
          }
        : {
            items: [],
            events: [
              {
                person: key,
                category: 'browsing',
                kind: of('event-kind'),
                item: of('event-item'),
                value: markedDouble(mark),
                atMs: eventMs,
              },
              {
                person: key,
                category: 'location',
                kind: 'seen',
                item: of('place'),
                value: null,
                atMs: eventMs + 1,
              },
            ],
            attributes: [
              { person: key, name: of('attribute-name'), value: of('attribute-value'), category: 'profile' },
            ],
            rejected: [{ source, line: 3, code: 'missing_value', raw, person: key }],
          };
    },
  });
  const consents = (): AsyncIterable<Uint8Array> =>
    one(
      `person,category,purpose,recipient,notice_hash,method,collected_at\n${reference},browsing,analytics,engine:privacy,${hexOf(mark, 'notice')},${of('method')},2025-05-01T00:00:00Z\n`,
    );

  // Before anybody of that name is known.
  await importData(core.operations, order('stray'));
  await importData(core.operations, order('all'));
  const person = await core.store.read(async (reader) => {
    const [row] = await reader.db.select().from(personTable).where(eq(personTable.reference, reference));
    return row?.id ?? '';
  });
  await importConsents(core.operations, 'op', consents(), 'csv');
  const { value: code } = await invite(core.operations, 'op', reference);
  const { value: second } = await invite(core.operations, 'op', reference);
  const { value: signedIn } = await enrol(core.operations, {
    code,
    userName: of('user'),
    password: 'correct horse battery',
  });

  const nowMs = core.system.clock.nowMs();
  const grantId = of('oauth-grant');
  await core.store.write(async (tx) => {
    await tx.db
      .insert(partner)
      .values({ id: 'shop', name: 'Shop', status: 'active', client: '{}', createdMs: nowMs })
      .onConflictDoNothing();
    await tx.db.insert(oauthGrant).values({
      id: recordHash(grantId) ?? '',
      person,
      partner: 'shop',
      scopes: of('scopes'),
      noticeHash: hexOf(mark, 'grant-notice'),
      createdMs: nowMs,
      expiresMs: nowMs + 86_400_000,
    });
    await turnSwitch(
      tx,
      {
        person,
        category: 'browsing',
        purpose: 'recommendation',
        recipient: 'partner:shop',
        action: 'on',
        method: 'portal',
        noticeHash: hexOf(mark, 'shown'),
        validUntilMs: null,
        extent: {},
        collectedMs: nowMs,
      },
      nowMs,
    );
    await tx.db.insert(budgetPerson).values({ person, limitMicro: markedNumber(mark, 1), spentMicro: 0 });
    await tx.db
      .update(personTable)
      .set({ gpcSinceMs: markedNumber(mark, 2) })
      .where(eq(personTable.id, person));
    const id = of('run');
    await tx.db.insert(run).values({
      id,
      operation: 'train-recommender',
      state: 'released',
      population: 'recommendation/browsing/engine:recommend',
      consentEvent: 0,
      people: 1,
      startedEntry: 0,
      endedEntry: 0,
      begunMs: nowMs,
      endedMs: nowMs,
    });
    await tx.db.insert(runMember).values({ run: id, person });
    await tx.db
      .insert(model)
      .values({ run: id, kind: 'recommender', bytes: Buffer.from(of('model')), madeMs: nowMs });
  });
  const adapter = createAdapter({ store: core.store, system: core.system, registerClient: async () => {} });
  for (const [name, lives] of [
    ['Session', { accountId: person, uid: of('oauth-uid') }],
    ['AccessToken', { accountId: person, grantId }],
    ['RefreshToken', { accountId: person, grantId }],
    ['Grant', { accountId: person }],
  ] as const) {
    await adapter(name).upsert(name === 'Grant' ? grantId : of(`oauth-${name}`), lives, 86_400);
  }
  // A use of their data by the shop: what it says is under the data key.
  await core.gate.run(
    {
      caller: { kind: 'person', id: person },
      operation: 'view-own',
      purpose: 'service',
      categories: ['browsing'],
      recipients: ['self'],
      person,
      grant: null,
      about: { asked: of('payload') },
    },
    async () => ({ value: undefined }),
  );

  return core.store.read(async (reader) => {
    const [keys] = await reader.db
      .select()
      .from(holderKey)
      .where(eq(holderKey.holder, `person:${person}`));
    const rows = await reader.db.select().from(quarantine).orderBy(quarantine.id);
    const [stray, named] = rows.slice(-2);
    const entries = await reader.db
      .select()
      .from(entry)
      .where(eq(entry.holder, `person:${person}`));
    const use = entries.find(({ keyClass }) => keyClass === 'data');
    const decision = entries.find(({ keyClass }) => keyClass === 'evidence');
    const [own] = await reader.db.select().from(session).where(eq(session.subject, person));
    const [begun] = await reader.db.select().from(event).where(eq(event.person, person));
    const text = (name: string): Buffer => Buffer.from(of(name));
    return {
      person,
      reference,
      erased: {
        reference: Buffer.from(reference),
        'attribute name': text('attribute-name'),
        'attribute value': text('attribute-value'),
        'event kind': text('event-kind'),
        'event item': text('event-item'),
        'event value': doubleBytes(begun?.value ?? 0),
        'event place': text('place'),
        'user name': text('user'),
        'session token hash': Buffer.from(own?.hash ?? 'none'),
        'session form token': Buffer.from(signedIn.csrf),
        invitation: Buffer.from(hashSecret(code)),
        'second invitation': Buffer.from(hashSecret(second)),
        'grant id': Buffer.from(recordHash(grantId) ?? 'none'),
        'grant scopes': text('scopes'),
        'grant notice': Buffer.from(hexOf(mark, 'grant-notice')),
        'oauth session': Buffer.from(recordHash(of('oauth-Session')) ?? 'none'),
        'oauth session uid': Buffer.from(recordHash(of('oauth-uid')) ?? 'none'),
        'access token': Buffer.from(recordHash(of('oauth-AccessToken')) ?? 'none'),
        'refresh token': Buffer.from(recordHash(of('oauth-RefreshToken')) ?? 'none'),
        'privacy limit': integerBytes(markedNumber(mark, 1)),
        'privacy signal': integerBytes(markedNumber(mark, 2)),
        model: text('model'),
        'quarantined row, encrypted': stored(named?.raw),
        'stray quarantined row, encrypted': stored(stray?.raw),
        'data key, wrapped': stored(keys?.data),
        'payload of a use, encrypted': stored(use?.payload),
      },
      evidence: {
        'evidence key, wrapped': stored(keys?.evidence),
        'tag key, wrapped': stored(keys?.tag),
        'payload of a decision, encrypted': stored(decision?.payload),
        'notice of a consent that was imported': Buffer.from(hexOf(mark, 'notice')),
        'notice of a consent given here': Buffer.from(hexOf(mark, 'shown')),
      },
      importAgain: () => importData(core.operations, order('all')),
      importConsentsAgain: () => importConsents(core.operations, 'op', consents(), 'csv'),
    };
  });
}

/**
 * Which of these byte strings lie in any file of a folder. A process of its own reads the files: closing a database file
 * here would drop SQLite's locks (DESIGN section 4).
 */
export async function searchBytes(
  folder: string,
  needles: Readonly<Record<string, Buffer>>,
): Promise<Record<string, string[]>> {
  const given = JSON.stringify(
    Object.entries(needles).map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]),
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, 'search-child.ts'), folder, given],
    { maxBuffer: 1 << 24 },
  );
  return JSON.parse(stdout) as Record<string, string[]>;
}

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** 64 hex digits that nobody else has. */
function hexOf(mark: string, name: string): string {
  return Buffer.from(`${mark}${name}`.padEnd(32, '.').slice(0, 32)).toString('hex');
}

/** A whole number of six bytes that is unlikely to stand anywhere else. */
function markedNumber(mark: string, which: number): number {
  return (
    0x5a_00_00_00_00_00 +
    Buffer.from(mark).reduce((sum, byte) => (sum * 31 + byte) % 0xffff_ffff, which * 7919)
  );
}

function markedDouble(mark: string): number {
  return Math.PI * (1 + mark.length) * 1.000_000_123 + mark.charCodeAt(0) / 7;
}

/** As SQLite stores whole numbers of more than four bytes: six bytes, big-endian. */
function integerBytes(value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(value, 0, 6);
  return bytes;
}

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** A long value may lie on several pages: its beginning is enough. */
function stored(bytes: Buffer | null | undefined): Buffer {
  return Buffer.from((bytes ?? Buffer.from('nothing was stored')).subarray(0, 40));
}
