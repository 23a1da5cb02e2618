// Asks witnesses to cosign heads and keeps what they sign: the sending side of c2sp.org/tlog-witness v1.0.0.
// Witnesses that are dead or missing never stop the log; they stop the level "witnessed". A witness that knows more of
// this log than the gateway does, or another history, is the sign of a rollback or a fork.
import { createHash } from 'node:crypto';
import { and, asc, desc, eq, gt, lt, max } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import { alwaysLeader, type Leadership } from '../store/processes.ts';
import type { Reader, Store } from '../store/store.ts';
import { cosignature as cosignatureTable, setting } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import { formatAddCheckpoint } from '../witness/add-checkpoint.ts';
import { FormatError, fromUtf8 } from './bytes.ts';
import { isBy, readCosignature } from './cosignature.ts';
import type { Log, NewEntry } from './log.ts';
import {
  formatSignatureLine,
  parseCheckpoint,
  parseNote,
  parseSignatureLine,
  verifyNote,
  type VerifierKey,
} from './note.ts';
import { quorumMet, type Policy, type PolicyWitness } from './policy.ts';
import type { SignedHead } from './publish.ts';

/** How the last request to a witness ended; `waiting`: none yet, `no-address`: the policy names no URL. */
export type WitnessOutcome =
  'waiting' | 'no-address' | 'cosigned' | 'behind' | 'unreachable' | 'refused' | 'conflict';

export interface WitnessState {
  /** Name in the policy. */
  readonly witness: string;
  readonly url: string | null;
  readonly outcome: WitnessOutcome;
  /** What went wrong, in words; null where nothing did. */
  readonly detail: string | null;
  /** Size of the largest head of this log that it cosigned for us; 0 for none. */
  readonly size: number;
  readonly triedMs: number | null;
}

export interface Witnesses {
  readonly policy: Policy;
  /**
   * Asks each witness for its newest head of this log, for start-up. Returns those who could not be asked, with why.
   * @throws GatewayError `log_fork` when one saw a longer log than this, or another root for its size
   */
  check(): Promise<readonly { readonly witness: string; readonly detail: string }[]>;
  /**
   * Asks all witnesses that have not cosigned this head and are not being left alone after a failure, side by side.
   * Stores what they sign. Never throws for what a witness does. Where another process leads, that one asks: then this
   * waits a moment for the quorum.
   */
  ask(head: SignedHead): Promise<readonly WitnessState[]>;
  /** Reads what another process that asks has stored. */
  follow(): Promise<void>;
  states(): readonly WitnessState[];
  /** Size of the newest head whose stored cosignatures meet the quorum; 0 for none, and where the quorum is `none`. */
  witnessedSize(): Promise<number>;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface WitnessesParts {
  readonly store: Store;
  readonly log: Log;
  readonly policy: Policy;
  /** The log's own key; its name is the origin. */
  readonly logKey: VerifierKey;
  readonly clock: Clock;
  readonly fetch: Fetch;
  /** Told once the incident entry that says so is durable. */
  readonly onConflict?: (state: WitnessState) => void;
  /** For one request. */
  readonly timeoutMs?: number;
  /** Without it this process asks. */
  readonly leadership?: Pick<Leadership, 'asLeader' | 'isLeader'>;
}

/** What a request came to. `size` is the witness's own, where it told. */
type Reply =
  | { readonly kind: 'line'; readonly line: string }
  | { readonly kind: 'size'; readonly size: number }
  | { readonly kind: 'conflict' | 'refused' | 'unreachable'; readonly detail: string };

interface Track {
  readonly witness: PolicyWitness;
  /** Key name and id, as in the table. */
  readonly id: string;
  outcome: WitnessOutcome;
  detail: string | null;
  size: number;
  /** Size the witness is believed to remember. */
  old: number;
  triedMs: number | null;
  failures: number;
  askAgainMs: number;
  isAsked: boolean;
}

const defaultTimeoutMs = 5000;
const answerLimitBytes = 64 * 1024;
const lineLimit = 64;
const searchPage = 500;
const newestPage = 5;
const firstPauseMs = 2000;
const longestPauseMs = 10 * 60_000;
const quorumPatienceMs = 2500;
const quorumPollMs = 100;

/** The note of a head with the cosignatures stored for it. */
export async function noteWithCosignatures(reader: Reader, head: SignedHead): Promise<string> {
  const rows = await reader.db
    .select({ line: cosignatureTable.line })
    .from(cosignatureTable)
    .where(eq(cosignatureTable.size, head.size))
    .orderBy(asc(cosignatureTable.witness))
    // One place of a note's is the log's own.
    .limit(lineLimit - 1);
  return head.note + rows.map(({ line }) => `${line}\n`).join('');
}

export async function createWitnesses(parts: WitnessesParts): Promise<Witnesses> {
  const { store, log, policy, logKey, clock, leadership = alwaysLeader } = parts;
  const timeoutMs = parts.timeoutMs ?? defaultTimeoutMs;
  const logPath = createHash('sha256').update(logKey.name).digest('hex');
  const tracks = await openTracks(store, policy);
  let witnessed: number | undefined;

  async function request(url: string, init: RequestInit): Promise<{ response: Response; body: Uint8Array }> {
    const response = await parts.fetch(url, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { response, body: await readLimited(response) };
  }

  async function send(track: Track, head: SignedHead, old: number): Promise<Reply> {
    const proof = (await log.tree()).consistencyPath(old, head.size);
    let answer: { response: Response; body: Uint8Array };
    try {
      answer = await request(`${prefixOf(track.witness)}/add-checkpoint`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: formatAddCheckpoint(old, proof, head.note),
      });
    } catch (error) {
      return { kind: 'unreachable', detail: reasonOf(error) };
    }
    return replyOf(answer.response, answer.body, { witness: track.witness, head, old });
  }

  async function askOne(track: Track, head: SignedHead): Promise<void> {
    track.triedMs = clock.nowMs();
    let old = Math.min(track.old, head.size);
    let reply = await send(track, head, old);
    if (reply.kind === 'size' && reply.size <= head.size && reply.size !== old) {
      old = reply.size;
      track.old = old;
      reply = await send(track, head, old);
    }
    switch (reply.kind) {
      case 'line':
        return keep(track, head, reply.line);
      case 'size':
        // It may know a head that was signed since this one.
        if (reply.size > log.durableSize()) await log.refresh();
        if (reply.size > log.durableSize()) {
          const detail = `it knows this log at ${reply.size} entries; here are ${log.durableSize()}`;
          return contradict(track, head, reply.size, detail);
        }
        return settle(track, 'behind', `it is at ${reply.size} already`);
      case 'conflict':
        return contradict(track, head, old, reply.detail);
      case 'refused':
      case 'unreachable':
        return settle(track, reply.kind, reply.detail);
    }
  }

  async function keep(track: Track, head: SignedHead, line: string): Promise<void> {
    const row = { size: head.size, witness: track.id, line, atMs: clock.nowMs() };
    await store.write(async (tx) => {
      await tx.db.insert(cosignatureTable).values(row).onConflictDoNothing();
    });
    track.size = Math.max(track.size, head.size);
    track.old = Math.max(track.old, head.size);
    settle(track, 'cosigned', null);
  }

  /** Says in the log, once for each size of the witness, that it and this log do not fit together. */
  async function contradict(
    track: Track,
    head: SignedHead,
    theirSize: number,
    detail: string,
  ): Promise<void> {
    const name = `witness-conflict:${track.id}`;
    const value = String(theirSize);
    const isNews = await store.write(async (tx) => {
      const [said] = await tx.db.select().from(setting).where(eq(setting.name, name));
      if (said?.value === value) return false;
      await tx.db
        .insert(setting)
        .values({ name, value })
        .onConflictDoUpdate({ target: setting.name, set: { value } });
      await log.append(
        tx,
        incident(
          { witness: track.witness.key.name, theirSize, ourSize: head.size, answer: detail },
          clock.nowMs(),
        ),
      );
      return true;
    });
    settle(track, 'conflict', detail);
    if (isNews) parts.onConflict?.(stateOf(track));
  }

  function settle(track: Track, outcome: WitnessOutcome, detail: string | null): void {
    track.outcome = outcome;
    track.detail = detail;
    const isWell = outcome === 'cosigned' || outcome === 'behind';
    track.failures = isWell ? 0 : track.failures + 1;
    const pauseMs = isWell ? 0 : Math.min(firstPauseMs * 2 ** (track.failures - 1), longestPauseMs);
    track.askAgainMs = clock.nowMs() + pauseMs;
  }

  async function newestOf(
    witness: PolicyWitness,
  ): Promise<{ size: number; root: Uint8Array } | { detail: string }> {
    try {
      const { response, body } = await request(`${prefixOf(witness)}/${logPath}/checkpoint`, {});
      if (response.status === 404) return { detail: 'it knows no head of this log, or does not tell' };
      if (response.status !== 200) return { detail: `it answered ${response.status}` };
      const note = parseNote(body);
      verifyNote(note, [logKey]);
      const { origin, size, root } = parseCheckpoint(note.text);
      return origin === logKey.name ? { size, root } : { detail: 'it answered with another log' };
    } catch (error) {
      return { detail: reasonOf(error) };
    }
  }

  async function compare(witness: string, size: number, root: Uint8Array): Promise<void> {
    if (size > log.durableSize()) await log.refresh();
    const held = log.durableSize();
    if (size > held) {
      throw new GatewayError(
        'log_fork',
        `the log holds ${held} entries, but the witness ${witness} cosigned a head of ${size} that this log signed`,
        { details: { contradicts: 'witness', witness, held, known: size } },
      );
    }
    if (Buffer.compare((await log.tree()).root(size), root) !== 0) {
      throw new GatewayError(
        'log_fork',
        `the first ${size} of the log's ${held} entries do not have the root that this log signed and the witness ${witness} cosigned`,
        { details: { contradicts: 'witness', witness, held, known: size } },
      );
    }
  }

  /** Tracks belong to the process that asks; of the others only the sizes in the table are known. */
  async function follow(): Promise<void> {
    const sizes = await cosignedSizes(store);
    for (const track of tracks) {
      const size = sizes.get(track.id) ?? 0;
      if (size <= track.size) continue;
      track.size = size;
      track.old = Math.max(track.old, size);
      track.outcome = 'cosigned';
      track.detail = null;
    }
  }

  async function askAll(head: SignedHead): Promise<void> {
    const due = tracks.filter(
      ({ witness, size, isAsked, askAgainMs }) =>
        witness.url !== null && size < head.size && !isAsked && askAgainMs <= clock.nowMs(),
    );
    await Promise.all(
      due.map(async (track) => {
        track.isAsked = true;
        try {
          await askOne(track, head);
        } finally {
          track.isAsked = false;
        }
      }),
    );
    if (due.some(({ outcome }) => outcome === 'cosigned')) await raiseWitnessed(head.size);
  }

  async function untilWitnessed(head: SignedHead): Promise<void> {
    if (policy.quorum === 'none') return;
    const untilMs = performance.now() + quorumPatienceMs;
    while ((await witnessedSize()) < head.size && performance.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, quorumPollMs));
  }

  async function witnessedSize(): Promise<number> {
    // What this process asks for, it knows; what another one stored is looked for among the newest.
    if (witnessed === undefined) witnessed = await searchWitnessed();
    else if (!leadership.isLeader()) witnessed = Math.max(witnessed, await searchWitnessed(witnessed));
    return witnessed;
  }

  async function raiseWitnessed(size: number): Promise<void> {
    witnessed ??= await searchWitnessed();
    if (size > witnessed && quorumMet(policy, await voicesAt(size))) witnessed = size;
  }

  /** From the newest size on backwards, all, or a few of those above a known one: another process may have stored them. */
  async function searchWitnessed(above?: number): Promise<number> {
    if (policy.quorum === 'none') return 0;
    for (let below = Number.MAX_SAFE_INTEGER; ;) {
      const rows = await store.read((reader) =>
        reader.db
          .selectDistinct({ size: cosignatureTable.size })
          .from(cosignatureTable)
          .where(and(lt(cosignatureTable.size, below), gt(cosignatureTable.size, above ?? 0)))
          .orderBy(desc(cosignatureTable.size))
          .limit(above === undefined ? searchPage : newestPage),
      );
      for (const { size } of rows) if (quorumMet(policy, await voicesAt(size))) return size;
      const last = rows.at(-1);
      if (last === undefined || above !== undefined) return above ?? 0;
      below = last.size;
    }
  }

  /** Names in the policy of those whose cosignature of this size is stored. */
  async function voicesAt(size: number): Promise<string[]> {
    const rows = await store.read((reader) =>
      reader.db
        .select({ witness: cosignatureTable.witness })
        .from(cosignatureTable)
        .where(eq(cosignatureTable.size, size)),
    );
    const ids = new Set(rows.map(({ witness }) => witness));
    return tracks.filter(({ id }) => ids.has(id)).map(({ witness }) => witness.name);
  }

  return {
    policy,

    async check() {
      const silent: { witness: string; detail: string }[] = [];
      const asked = tracks.filter(({ witness }) => witness.url !== null);
      const answers = await Promise.all(
        asked.map(async ({ witness }) => ({ witness, is: await newestOf(witness) })),
      );
      for (const { witness, is } of answers) {
        if ('detail' in is) silent.push({ witness: witness.name, detail: is.detail });
        else await compare(witness.name, is.size, is.root);
      }
      return silent;
    },

    async ask(head) {
      const asked = await leadership.asLeader(() => askAll(head));
      if (asked === undefined) {
        await untilWitnessed(head);
        await follow();
      }
      return tracks.map(stateOf);
    },

    follow,
    states: () => tracks.map(stateOf),
    witnessedSize,
  };
}

/** Largest size that each has cosigned. */
async function cosignedSizes(store: Store): Promise<Map<string, number>> {
  const rows = await store.read((reader) =>
    reader.db
      .select({ witness: cosignatureTable.witness, size: max(cosignatureTable.size) })
      .from(cosignatureTable)
      .groupBy(cosignatureTable.witness),
  );
  return new Map(rows.map(({ witness, size }) => [witness, size ?? 0]));
}

async function openTracks(store: Store, policy: Policy): Promise<Track[]> {
  const sizes = await cosignedSizes(store);
  return policy.witnesses.map((witness) => {
    const id = `${witness.key.name}+${witness.key.keyId.toString(16).padStart(8, '0')}`;
    const size = sizes.get(id) ?? 0;
    return {
      witness,
      id,
      outcome: witness.url === null ? 'no-address' : 'waiting',
      detail: null,
      size,
      old: size,
      triedMs: null,
      failures: 0,
      askAgainMs: 0,
      isAsked: false,
    };
  });
}

function stateOf({ witness, outcome, detail, size, triedMs }: Track): WitnessState {
  return { witness: witness.name, url: witness.url, outcome, detail, size, triedMs };
}

/** What an answer means. A cosignature counts only once it is verified over the very head that was sent. */
function replyOf(
  response: Response,
  body: Uint8Array,
  asked: { readonly witness: PolicyWitness; readonly head: SignedHead; readonly old: number },
): Reply {
  const { witness, head, old } = asked;
  const type = response.headers.get('content-type') ?? '';
  if (response.status === 200) return lineIn(body, witness, head);
  if (response.status === 409 && type === 'text/x.tlog.size') {
    const size = /^(0|[1-9][0-9]{0,15})\n$/.exec(Buffer.from(body).toString('latin1'))?.[1];
    if (size === undefined || !Number.isSafeInteger(Number(size)) || Number(size) === old)
      return { kind: 'refused', detail: 'it answered 409 with no other size' };
    return { kind: 'size', size: Number(size) };
  }
  // The witness stands at the size it was asked to go on from, and what it has there is not ours. A draft of the
  // specification answers 422 where version 1.0.0 answers 409.
  if (response.status === 409 && old === head.size)
    return { kind: 'conflict', detail: `it cosigned another root for ${old} entries` };
  if (response.status === 422 && old > 0)
    return { kind: 'conflict', detail: `it does not take this log for an extension of its ${old} entries` };
  return { kind: 'refused', detail: `it answered ${response.status}` };
}

function lineIn(body: Uint8Array, witness: PolicyWitness, head: SignedHead): Reply {
  try {
    const { text } = parseNote(head.note);
    const lines = fromUtf8(body, 'witnesses').split('\n');
    if (lines.pop() !== '' || lines.length > lineLimit)
      return { kind: 'refused', detail: 'its answer is not a few lines' };
    const own = lines.map(parseSignatureLine).filter((signature) => isBy(witness.key, signature));
    for (const signature of own) readCosignature(signature, text, witness.key);
    const [first] = own;
    if (first === undefined) return { kind: 'refused', detail: 'its answer holds no line by its key' };
    return { kind: 'line', line: formatSignatureLine(first).slice(0, -1) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: 'refused', detail: error.message };
  }
}

async function readLimited(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > answerLimitBytes) throw new FormatError('size', 'witnesses', 'its answer is over 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function prefixOf({ url }: PolicyWitness): string {
  return (url ?? '').replace(/\/+$/, '');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'TimeoutError') return 'it did not answer in time';
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function incident(
  found: { witness: string; theirSize: number; ourSize: number; answer: string },
  atMs: number,
): NewEntry {
  return {
    kind: 'incident',
    concern: { kind: 'system' },
    operationId: `witness-conflict-${found.theirSize}-${atMs}`,
    atMs,
    outcome: 'noted',
    recipient: null,
    keyClass: 'evidence',
    payload: {
      caller: { kind: 'system', id: 'witnesses' },
      operation: 'administer',
      purpose: 'service',
      categories: [],
      recipients: ['operator'],
      incident: 'witness-conflict',
      witness: found.witness,
      witness_size: found.theirSize,
      log_size: found.ourSize,
      answer: found.answer,
    },
  };
}
