// A witness: cosigns heads of logs it knows, each an extension of the one before, and keeps evidence of those that are
// not. c2sp.org/tlog-witness v1.0.0; the comments give the answers in the order the specification demands.
import { FormatError } from '../audit/bytes.ts';
import { cosign, formatCosignatureKey } from '../audit/cosignature.ts';
import {
  formatNote,
  formatSignatureLine,
  verifyNote,
  type Note,
  type NoteSigner,
  type VerifierKey,
} from '../audit/note.ts';
import { emptyRoot, verifyConsistency } from '../audit/tree.ts';
import type { Clock } from '../system.ts';
import { parseAddCheckpoint, type AddCheckpoint } from './add-checkpoint.ts';
import type { Conflict, Memory, Remembered } from './memory.ts';

export interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly type: 'text/plain; charset=utf-8' | 'text/x.tlog.size';
  readonly body: string;
}

export interface Witness {
  /** Its name and key as policies carry it; type 0x04. */
  readonly verifierKey: string;
  /** Answers one "add-checkpoint" request. What it cosigns is on the disk before it is cosigned. */
  addCheckpoint(body: Uint8Array): Promise<Answer>;
  /** The newest head it cosigned of a log, with its cosignature as of now; undefined for none. */
  newest(origin: string): Promise<string | undefined>;
  conflicts(origin: string): readonly Conflict[];
  /** The logs it knows. */
  readonly origins: readonly string[];
}

export interface WitnessParts {
  readonly memory: Memory;
  /** Its name is the witness's; its key is used for nothing else. */
  readonly signer: NoteSigner;
  /** Keys of the logs to witness; a key's name is the origin. */
  readonly logs: readonly VerifierKey[];
  readonly clock: Clock;
  /** Told of each conflict once. */
  readonly onConflict: (origin: string, conflict: Conflict) => void;
}

type Verdict =
  | { readonly kind: 'accepted'; readonly seconds: number }
  | { readonly kind: 'refused'; readonly answer: Answer; readonly conflict?: Conflict };

export function createWitness(parts: WitnessParts): Witness {
  const { memory, signer, logs, clock } = parts;

  /** In one transaction: what is compared with must still be the newest when the next is written. */
  function judge(request: AddCheckpoint, ownNote: string): Verdict {
    const { oldSize, proof, checkpoint } = request;
    const { origin, size } = checkpoint;
    const root = Buffer.from(checkpoint.root);
    const known = memory.newest(origin);
    const conflictOf = (kind: Conflict['kind'], cosigned: Remembered): Conflict => ({
      kind,
      seenMs: clock.nowMs(),
      size,
      root,
      cosigned: cosigned.note,
      refused: ownNote,
    });
    const split =
      known !== undefined && known.size === size && !known.root.equals(root)
        ? conflictOf('split', known)
        : undefined;

    // 409: another size was cosigned last. A split shows all the same.
    if (oldSize !== (known?.size ?? 0)) {
      return refusal({ status: 409, type: 'text/x.tlog.size', body: `${known?.size ?? 0}\n` }, split);
    }
    // 409: the same size, another root.
    if (split !== undefined) return refusal(text(409, 'another root was cosigned for this size'), split);
    // 422: not an extension of what was cosigned.
    const claim = { oldSize, newSize: size, oldRoot: known?.root ?? emptyRoot, newRoot: root, path: proof };
    if (!verifyConsistency(claim)) {
      const unproven = known === undefined || size === known.size ? undefined : conflictOf('unproven', known);
      return refusal(text(422, 'the consistency proof does not hold'), unproven);
    }
    // A clock that was set back must not make it sign a larger head at an earlier time.
    const seconds = Math.max(Math.floor(clock.nowMs() / 1000), known?.seconds ?? 1);
    memory.remember(origin, { size, root, note: ownNote, seconds });
    return { kind: 'accepted', seconds };
  }

  /** Keeps the lines of the log's known keys alone: others may be anything. */
  function verified(note: Note, keys: readonly VerifierKey[]): string {
    verifyNote(note, keys);
    const signatures = note.signatures.filter(({ name, keyId }) =>
      keys.some((key) => key.name === name && key.keyId === keyId),
    );
    return formatNote({ text: note.text, signatures });
  }

  return {
    verifierKey: formatCosignatureKey(signer.name, signer.publicKey),
    origins: [...new Set(logs.map(({ name }) => name))],
    conflicts: (origin) => memory.conflicts(origin),

    async addCheckpoint(body) {
      // 400: malformed.
      let request: AddCheckpoint;
      try {
        request = parseAddCheckpoint(body);
      } catch (error) {
        if (error instanceof FormatError) return text(400, error.message);
        throw error;
      }
      const { note, checkpoint, oldSize } = request;
      // 404: unknown log.
      const keys = logs.filter(({ name }) => name === checkpoint.origin);
      if (keys.length === 0) return text(404, 'this log is not known here');
      // 403: not signed by it.
      let ownNote: string;
      try {
        ownNote = verified(note, keys);
      } catch (error) {
        if (error instanceof FormatError) return text(403, error.message);
        throw error;
      }
      // 400: backwards.
      if (oldSize > checkpoint.size) return text(400, 'the old size is above that of the checkpoint');
      const verdict = memory.atomically(() => {
        const judged = judge(request, ownNote);
        const isNews =
          judged.kind === 'refused' &&
          judged.conflict !== undefined &&
          memory.keepConflict(checkpoint.origin, judged.conflict);
        return { judged, isNews };
      });
      if (verdict.judged.kind === 'refused') {
        const { answer, conflict } = verdict.judged;
        if (verdict.isNews && conflict !== undefined) parts.onConflict(checkpoint.origin, conflict);
        return answer;
      }
      const cosignature = await cosign(note.text, verdict.judged.seconds, signer);
      return text(200, formatSignatureLine(cosignature));
    },

    async newest(origin) {
      const known = memory.newest(origin);
      if (known === undefined) return undefined;
      const seconds = Math.max(Math.floor(clock.nowMs() / 1000), known.seconds);
      const body = known.note.slice(0, known.note.lastIndexOf('\n\n') + 1);
      return known.note + formatSignatureLine(await cosign(body, seconds, signer));
    },
  };
}

function refusal(answer: Answer, conflict: Conflict | undefined): Verdict {
  return { kind: 'refused', answer, ...(conflict === undefined ? {} : { conflict }) };
}

function text(status: Answer['status'], message: string): Answer {
  const body = message.endsWith('\n') ? message : `${message}\n`;
  return { status, type: 'text/plain; charset=utf-8', body };
}
