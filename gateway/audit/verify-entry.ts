// The checks of a bundle of one entry. FORMAT.md section 6.
import type { Bundle } from './bundle.ts';
import { fromBase64 } from './bytes.ts';
import { checkHead, checkInclusion, type Context, type Found } from './check-head.ts';
import { decodeEntry } from './entry.ts';
import { openPayload } from './open-entries.ts';
import type { EntrySubject } from './verification.ts';

export function verifyEntry(context: Context, bundle: Bundle): Found {
  const { check } = context;
  const { index, leaf } = bundle.entry;
  const { disclosure } = bundle;
  const entry = check('leaf', 'an entry of version 1', () => decodeEntry(fromBase64(leaf, 'leaf')));
  const payload =
    entry === undefined || disclosure === null
      ? undefined
      : check('payload', 'the payload is the one committed to', () => openPayload(disclosure, entry, index));
  const { head, cosigned } = checkHead(context, bundle);
  if (head !== undefined) {
    check('inclusion', `entry ${index} lies under the head of size ${head.size}`, () =>
      checkInclusion(bundle, head),
    );
  }
  const subject: EntrySubject | undefined =
    entry === undefined
      ? undefined
      : { kind: 'entry', index, entry, payload: payload ?? null, erased: disclosure === null };
  return { subject, head, cosigned };
}
