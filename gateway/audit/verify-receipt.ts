// What a receipt says; beside the seal there is nothing in it to check. FORMAT.md section 11.
import { fromBase64, toHex } from './bytes.ts';
import type { Receipt } from './receipt.ts';
import type { ReceiptSubject } from './verification.ts';

export const receiptSubject = ({ kind, tag, at, entries, statement }: Receipt): ReceiptSubject => ({
  kind: 'receipt',
  about: kind,
  tag: toHex(fromBase64(tag, 'format')),
  at,
  entries,
  statement,
});
