// `assent replay`: reads a whole log and builds it again, to find out whether it is what its checkpoint says. Believes
// nobody but the trust file.
import { hash } from 'node:crypto';
import { parseTrust, type Trust } from '../audit/bundle.ts';
import { equalBytes, FormatError, fromBase64 } from '../audit/bytes.ts';
import { populationKeyOf } from '../audit/entry.ts';
import { parseCheckpoint, parseNote, parseVerifierKey, verifyNote, type Checkpoint } from '../audit/note.ts';
import { PersonIndex } from '../audit/person-index.ts';
import { checkCosignatures, parsePolicy } from '../audit/policy.ts';
import { replayLog, type Replay } from '../audit/replay.ts';
import { bundlesOf, formatTilePath, parseEntryBundle, tileBytes, tilesOf } from '../audit/tiles.ts';
import type { LogSource } from './log-source.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

export interface ReplayCommandOrder {
  readonly source: LogSource;
  readonly trustText: string | Uint8Array;
  /** Told how far it is, often. */
  readonly progress?: (done: number, total: number, what: 'entries' | 'tiles') => void;
}

export interface ReplayResult {
  /** 0: the log holds. 1: it does not. */
  readonly exitCode: 0 | 1;
  readonly lines: string[];
  readonly json: Record<string, unknown>;
}

/**
 * Checks signature, leaves, map heads, root and every tile.
 * @throws FormatError (check "trust") for the trust file; Unreadable where the source has no answer: no verdict then
 */
export async function replayCommand(order: ReplayCommandOrder): Promise<ReplayResult> {
  const { source } = order;
  const trust = parseTrust(order.trustText);
  const note = await source('checkpoint');
  const signed = opened(() => openHead(note, trust));
  if ('wrong' in signed) return fails(signed.wrong.check, null, signed.wrong.message);
  const { head, witnesses, quorum } = signed.value;

  let replay: Replay;
  try {
    replay = await replayLog({
      leaves: leavesOf(order, head.size),
      heads: head.size === 0 ? [] : [head],
      map: new PersonIndex(sha256),
      populations: populationsOf(trust),
      sha256,
    });
  } catch (error) {
    if (error instanceof FormatError) return fails(error.check, null, error.message);
    throw error;
  }
  if (replay.mismatch !== undefined)
    return fails(replay.mismatch.check, replay.mismatch.index, replay.mismatch.detail);

  const tiles = [...tilesOf(head.size)];
  for (const [place, tile] of tiles.entries()) {
    const path = formatTilePath(tile);
    if (!equalBytes(await source(path), tileBytes(replay.tree, tile)))
      return fails('tile', null, `${path} does not hold the hashes of the entries`);
    order.progress?.(place + 1, tiles.length, 'tiles');
  }
  return holds({ head, witnesses, quorum, replay, tiles: tiles.length, listed: trust.populations !== null });
}

interface SignedHead {
  readonly head: Checkpoint;
  /** Names of the policy's witnesses that cosigned. */
  readonly witnesses: readonly string[];
  readonly quorum: boolean;
}

function openHead(bytes: Uint8Array, trust: Trust): SignedHead {
  const note = parseNote(bytes);
  verifyNote(note, [parseVerifierKey(trust.logKey)]);
  const head = parseCheckpoint(note.text);
  if (head.origin !== trust.origin)
    throw new FormatError('mismatch', 'checkpoint', `the checkpoint is one of ${head.origin}`);
  if (head.extensions.length > 0)
    throw new FormatError('mismatch', 'checkpoint', 'the checkpoint has extension lines');
  const { valid, quorum } = checkCosignatures(note, parsePolicy(trust.policy));
  return { head, quorum, witnesses: valid.map(({ witness }) => witness) };
}

async function* leavesOf({ source, progress }: ReplayCommandOrder, size: number): AsyncGenerator<Uint8Array> {
  let done = 0;
  for (const bundle of bundlesOf(size)) {
    yield* parseEntryBundle(await source(formatTilePath(bundle)), bundle.width);
    done += bundle.width;
    progress?.(done, size, 'entries');
  }
}

function populationsOf({ populations }: Trust): Uint8Array[] | null {
  if (populations === null) return null;
  const key = fromBase64(populations.key, 'trust');
  return populations.names.map((name) => populationKeyOf(key, name));
}

function opened<T>(read: () => T): { value: T } | { wrong: FormatError } {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof FormatError) return { wrong: error };
    throw error;
  }
}

function fails(check: string, index: number | null, detail: string): ReplayResult {
  const place = index === null ? '' : ` at entry ${index}`;
  return {
    exitCode: 1,
    lines: [`The log does not hold: ${check}${place}`, `  ${printable(detail)}`],
    json: { verdict: 'does-not-hold', firstFailing: check, index, detail },
  };
}

interface Found extends SignedHead {
  readonly replay: Replay;
  readonly tiles: number;
  /** Whether the trust file lists populations. */
  readonly listed: boolean;
}

function holds({ head, witnesses, quorum, replay, tiles, listed }: Found): ReplayResult {
  const { firstMapHead, mapHeads, unlisted, keys } = replay;
  const before = firstMapHead ?? head.size;
  const root = Buffer.from(head.root).toString('base64');
  return {
    exitCode: 0,
    lines: [
      `The log holds: ${head.size} entries lead to the root its checkpoint signs`,
      `  log         ${head.origin}`,
      `  root        ${root}`,
      `  witnesses   ${witnesses.length === 0 ? 'none' : witnesses.join(', ')}${quorum ? ' (quorum met)' : ''}`,
      `  tiles       ${tiles}, each as computed from the entries`,
      `  keys        ${keys} people and populations; no person's sequence has a gap`,
      `  map heads   ${mapHeads}, each the map of the entries before it`,
      ...(before > 0 ? [`  ${before} entries lie before the first map head`] : []),
      listed
        ? `  populations ${unlisted.count} entries about ones outside the trust file's list${unlisted.first === null ? '' : `, the first at ${unlisted.first}`}`
        : '  populations not checked: the trust file lists none',
    ].map(printable),
    json: {
      verdict: 'holds',
      origin: head.origin,
      size: head.size,
      root,
      witnesses,
      quorum,
      tiles,
      keys,
      mapHeads,
      beforeFirstMapHead: before,
      unlistedPopulations: listed ? unlisted : null,
    },
  };
}

// Details may quote what was read: no escape sequence of it may reach a terminal.
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}]/gu, '?');
