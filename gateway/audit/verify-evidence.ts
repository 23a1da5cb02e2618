// The checks of evidence. FORMAT.md section 12.
import { keysOf } from './bundle.ts';
import { checkHead, checkMultiProof, type Context, type Found } from './check-head.ts';
import { checkNotices, checkRange, checkReceipts, checkSelection, type Evidence } from './evidence.ts';
import { decodeAny, openEntries } from './open-entries.ts';
import type { EvidenceSubject } from './verification.ts';
import { receiptSubject } from './verify-receipt.ts';

export function verifyEvidence(context: Context, evidence: Evidence): Found {
  const { check, trust } = context;
  const shown = openEntries(context, evidence.entries, decodeAny);
  const { head, cosigned } = checkHead(context, evidence);
  if (head !== undefined) {
    checkMultiProof(context, evidence.entries, evidence.paths, head);
    check('range', rangeDetail(evidence), () => checkRange(evidence, head.size));
    if (shown !== undefined)
      check('selection', 'the entries are of the person and the time that were chosen', () => {
        const leaves = shown.map(({ entry }) => entry);
        checkSelection(evidence, leaves, head.size);
      });
  }
  check('notices', 'each text of a notice has its hash, and an entry here names it', () =>
    checkNotices(evidence, shown?.map(({ payload }) => payload) ?? []),
  );
  const receipts =
    trust === undefined
      ? undefined
      : check('receipts', 'each receipt is sealed and speaks of entries shown', () =>
          checkReceipts(evidence, keysOf(trust).sealKey.publicKey),
        );
  if (shown === undefined || receipts === undefined) return { head, cosigned };
  const { selection, range, madeAt, notices } = evidence;
  const subject: EvidenceSubject = {
    kind: 'evidence',
    selection,
    range,
    madeAt,
    notices,
    entries: shown,
    receipts: receipts.map(receiptSubject),
  };
  return { subject, head, cosigned };
}

const rangeDetail = ({ range }: Evidence): string =>
  range === null
    ? 'a selection: nothing proves that it is complete'
    : `every entry from ${range.first} up to ${range.end} is here`;
