// Receipts for a person to keep: signed statements about entries (FORMAT.md section 11).
import { asc, inArray, eq } from 'drizzle-orm';
import { toBase64 } from '../audit/bytes.ts';
import type { PlainObject } from '../audit/entry.ts';
import { findEntry, kindName, openPayload } from '../audit/payload.ts';
import type { Signer } from '../audit/publish.ts';
import { receiptFormat, sealReceipt, type Receipt } from '../audit/receipt.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { hashSecret, ownRequest, staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import type { Reader } from '../store/store.ts';
import { entry, erasure } from '../store/tables.ts';
import { toldHolds } from './holds.ts';

type Unsealed = Omit<Receipt, 'seal'>;

export interface ReceiptParts {
  readonly operations: OperationParts;
  readonly sealSigner: Signer;
}

export interface FetchedErasure {
  readonly requestedMs: number;
  readonly evidenceUntilMs: number;
  /** When everything that may be deleted was deleted and the files were cleaned; null: that is still going on. */
  readonly completedMs: number | null;
  /** The sealed file; null until completed. */
  readonly receipt: string | null;
}

/**
 * What became of an erasure, for whoever has its code. The file is the same each time.
 * @throws GatewayError `not_found` for a wrong code, and once the evidence is destroyed
 */
export async function fetchErasure(parts: ReceiptParts, code: string): Promise<Released<FetchedErasure>> {
  const { operations } = parts;
  const receiptHash = hashSecret(code.trim());
  const [known] = await operations.read((reader) =>
    reader.db.select().from(erasure).where(eq(erasure.receiptHash, receiptHash)),
  );
  if (known === undefined) throw new GatewayError('not_found', 'no erasure has this code');
  const request = {
    ...staffRequest({ kind: 'system', id: 'erasure' }, 'fetch-receipt', { erasure: known.id }),
    recipients: ['self'] as const,
  };
  const fetched = await operations.gate.run(request, async (_permit, tx) => {
    const [row] = await tx.db.select().from(erasure).where(eq(erasure.receiptHash, receiptHash));
    if (row === undefined) throw new GatewayError('not_found', 'no erasure has this code');
    return {
      value: { row, unsealed: await erasureReceipt(operations, tx, row) },
      keyClass: 'evidence',
      touched: { people: [row.person], population: null },
    };
  });
  const { row, unsealed } = fetched.value;
  const { requestedMs, evidenceUntilMs, completedMs } = row;
  const receipt = unsealed === null ? null : await seal(parts, unsealed);
  return { ...fetched, value: { requestedMs, evidenceUntilMs, completedMs, receipt } };
}

/** Without counts: somebody who knows how many rows there were would see in them what a hold keeps. */
async function erasureReceipt(
  parts: OperationParts,
  reader: Reader,
  row: typeof erasure.$inferSelect,
): Promise<Unsealed | null> {
  if (row.completedEntry === null || row.completedMs === null) return null;
  const told = await toldHolds(reader, row.person, row.completedMs);
  const until = iso(row.evidenceUntilMs);
  return unsealed(parts, reader, {
    kind: 'erasure',
    person: row.person,
    entries: [row.requestedEntry, row.completedEntry],
    atMs: row.completedMs,
    statement: {
      asked_at: iso(row.requestedMs),
      completed_at: iso(row.completedMs),
      evidence_until: until,
      // The sentence about duties stands in every receipt: its presence tells nothing.
      text: {
        en: [
          'Apart from what a law or an order requires to be kept, your records were deleted, the key to what the log says about uses of your data was destroyed, and the files were rewritten so that no deleted byte is left in them.',
          'What a law or an order requires to be kept is used for nothing else, and is deleted when the duty ends.',
          `Proof of what you allowed and withdrew, of decisions about requests, and of this erasure stays readable until ${until}; then its keys are destroyed too.`,
          'The entries named here stay in the log. Without the keys nobody can read them or tell that they are about you.',
          'Backups made earlier are outside of this receipt.',
        ],
        zh: zhText(until),
      },
      holds: told.map((hold) => ({
        keeps: [...hold.categories],
        keeps_payloads: hold.payloads,
        reason: hold.reason,
        until: iso(hold.expiresMs),
      })),
    },
  });
}

/**
 * A receipt for an entry in which this person turned switches or let a partner in.
 * @throws GatewayError `not_found` when there is no such entry of theirs
 */
export async function consentReceipt(
  parts: ReceiptParts,
  person: string,
  number: number,
): Promise<Released<string>> {
  const { operations } = parts;
  const request = ownRequest(person, 'export-proof', { about: { entry: number, what: 'receipt' } });
  const made = await operations.gate.run(request, async (_permit, tx) => ({
    value: await consentStatement(operations, tx, person, number),
    keyClass: 'evidence',
  }));
  return { ...made, value: await seal(parts, made.value) };
}

/** The same receipt, for whoever the gate has let see the entry. */
export async function receiptOfConsent(parts: ReceiptParts, person: string, number: number): Promise<string> {
  const { operations } = parts;
  return seal(parts, await operations.read((reader) => consentStatement(operations, reader, person, number)));
}

/** The receipts of erasures that were completed in these entries, for whoever the gate has let see them. */
export async function receiptsOfErasures(
  parts: ReceiptParts,
  completedEntries: readonly number[],
): Promise<string[]> {
  if (completedEntries.length === 0) return [];
  const made = await parts.operations.read(async (reader) => {
    const rows = await reader.db
      .select()
      .from(erasure)
      .where(inArray(erasure.completedEntry, [...completedEntries]))
      .orderBy(asc(erasure.completedEntry));
    const found: Unsealed[] = [];
    for (const row of rows) {
      const receipt = await erasureReceipt(parts.operations, reader, row);
      if (receipt !== null) found.push(receipt);
    }
    return found;
  });
  return Promise.all(made.map((receipt) => seal(parts, receipt)));
}

async function consentStatement(
  operations: OperationParts,
  reader: Reader,
  person: string,
  number: number,
): Promise<Unsealed> {
  const row = await findEntry(reader, number);
  const disclosure =
    row?.holder === `person:${person}` && kindName(row.kind) === 'consent'
      ? await openPayload(operations.keyring, reader, row)
      : undefined;
  if (row === undefined || disclosure === undefined)
    throw new GatewayError('not_found', 'there is no such choice of yours');
  return unsealed(operations, reader, {
    kind: 'consent',
    person,
    entries: [number],
    atMs: row.atMs,
    statement: { ...disclosure.payload, person: null },
  });
}

interface Statement {
  readonly kind: 'consent' | 'erasure';
  readonly person: string;
  readonly entries: readonly number[];
  readonly atMs: number;
  readonly statement: PlainObject;
}

async function unsealed(parts: OperationParts, reader: Reader, given: Statement): Promise<Unsealed> {
  const { tag } = await parts.keyring.open(reader, `person:${given.person}`);
  if (tag === undefined) throw new GatewayError('not_found', 'the tag is destroyed');
  const rows = await reader.db
    .select({ index: entry.number, leafHash: entry.leafHash })
    .from(entry)
    .where(inArray(entry.number, [...given.entries]))
    .orderBy(asc(entry.number));
  return {
    format: receiptFormat,
    origin: parts.config.origin,
    kind: given.kind,
    tag: toBase64(tag),
    entries: rows.map(({ index, leafHash }) => ({ index, leafHash: toBase64(leafHash) })),
    at: iso(given.atMs),
    statement: given.statement,
  };
}

function seal({ sealSigner }: ReceiptParts, receipt: Unsealed): Promise<string> {
  return sealReceipt(receipt, (message) => sealSigner.sign(message));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function zhText(until: string): string[] {
  return [
    '除法律法规或者有关机关要求保留的内容外，您的记录已删除，用于读取日志中个人信息使用情况的密钥已销毁，数据文件已重写，不留任何已删除的内容。',
    '法律法规或者有关机关要求保留的内容不作其他用途，保留义务终止后即行删除。',
    `您作出和撤回同意的证据、对请求所作决定的证据以及本次删除的证据，保留至 ${until}，届时相应密钥一并销毁。`,
    '本回执所列条目仍在日志中，但没有密钥，任何人都无法读取，也无法得知其与您有关。',
    '此前制作的备份不在本回执范围内。',
  ];
}
