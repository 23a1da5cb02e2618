// A signed statement for a person to keep: FORMAT.md section 11. Pure; runs in the browser too.
import type { PlainObject } from './entry.ts';
import {
  exact,
  hash,
  list,
  misfit,
  oneOf,
  origin,
  parseFile,
  plainObject,
  record,
  sealedText,
  signature,
  utcTime,
  whole,
  type Read,
  type Sign,
} from './file-shape.ts';
import { isAscending } from './index-list.ts';

export const receiptFormat = 'assent-receipt/v1';
export const receiptLimitBytes = 64 << 10;

export interface Receipt {
  readonly format: typeof receiptFormat;
  readonly origin: string;
  readonly kind: 'consent' | 'erasure';
  /** Base64. */
  readonly tag: string;
  /** By ascending index; leaf hashes in base64. */
  readonly entries: readonly ReceiptEntry[];
  /** YYYY-MM-DDTHH:MM:SS.sssZ. */
  readonly at: string;
  /** Plain words and numbers for the person. */
  readonly statement: PlainObject;
  readonly seal: string;
}

export interface ReceiptEntry {
  readonly index: number;
  readonly leafHash: string;
}

/** @throws FormatError (check "format") unless this is the one canonical spelling of a receipt */
export function parseReceipt(file: string | Uint8Array): Receipt {
  return parseFile(file, 'format', receiptLimitBytes, readReceipt);
}

/** The receipt's text, sealed. @throws FormatError (check "format") when it does not have the shape */
export async function sealReceipt(receipt: Omit<Receipt, 'seal'>, sign: Sign): Promise<string> {
  const file = await sealedText(receipt, sign);
  parseReceipt(file);
  return file;
}

export const readReceipt: Read<Receipt> = record<Receipt>({
  format: exact(receiptFormat),
  origin,
  kind: oneOf('consent', 'erasure'),
  tag: hash,
  entries: (value, at) => {
    const entries = list(1024, record<ReceiptEntry>({ index: whole, leafHash: hash }))(value, at);
    if (!isAscending(entries.map(({ index }) => index))) throw misfit(at, 'ascending');
    return entries;
  },
  at: utcTime,
  statement: plainObject,
  seal: signature,
});
