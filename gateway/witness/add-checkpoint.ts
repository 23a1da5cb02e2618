// The body of a request to a witness: c2sp.org/tlog-witness v1.0.0, "add-checkpoint". Pure.
import { FormatError, fromBase64, fromUtf8, toBase64 } from '../audit/bytes.ts';
import { parseCheckpoint, parseNote, type Checkpoint, type Note } from '../audit/note.ts';
import { hashSizeBytes } from '../audit/tree.ts';

export interface AddCheckpoint {
  /** Size of the head the sender believes the witness cosigned last; 0 for none. */
  readonly oldSize: number;
  /** Consistency path from the old size to the checkpoint's. */
  readonly proof: readonly Uint8Array[];
  readonly note: Note;
  readonly checkpoint: Checkpoint;
}

const check = 'add-checkpoint';
const proofLimit = 63;

/** @throws FormatError for a body that is not of this form; nothing in it is verified yet */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint {
  const whole = fromUtf8(body, check);
  const blank = whole.indexOf('\n\n');
  if (blank < 0) throw malformed('no empty line before the checkpoint');
  const [old, ...lines] = whole.slice(0, blank).split('\n');
  const oldSize = /^old (0|[1-9][0-9]{0,15})$/.exec(old ?? '')?.[1];
  if (oldSize === undefined || !Number.isSafeInteger(Number(oldSize))) {
    throw malformed('the first line is not "old" and a size');
  }
  if (lines.length > proofLimit) throw malformed(`more than ${proofLimit} lines of proof`);
  const proof = lines.map((line) => {
    const hash = fromBase64(line, check);
    if (hash.length !== hashSizeBytes) throw malformed('a line of the proof is not 32 bytes');
    return hash;
  });
  const note = parseNote(whole.slice(blank + 2));
  return { oldSize: Number(oldSize), proof, note, checkpoint: parseCheckpoint(note.text) };
}

/** The inverse: what is sent to a witness. @param note the signed checkpoint as text */
export function formatAddCheckpoint(oldSize: number, proof: readonly Uint8Array[], note: string): string {
  return `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${note}`;
}

const malformed = (message: string) => new FormatError('note', check, message);
