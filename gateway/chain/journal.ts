// The local chain's journal: the only part of that chain that lives on disk. Replaying it rebuilds the chain.
//
// First line: what the chain was started with. Every further line stands for exactly one block: its time, the
// hash of the block before it, and the raw transaction in it. Only the last line can be torn, because a line is
// on the disk before its transaction is sent.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord, unavailable } from './rpc.ts';

/** What a chain needs, beside its blocks, to be rebuilt to the same hashes. */
export interface JournalStart {
  version: 1;
  chainId: number;
  /** Time of block 0, ISO 8601. */
  initialDate: string;
  /** Rules of the virtual machine. */
  hardfork: string;
  genesisHash: string;
}

export interface JournalBlock {
  /** Seconds since 1970 UTC. */
  time: number;
  /** Hash of the block before. */
  parent: string;
  rawTransaction: string;
}

export interface Journal {
  readonly start: JournalStart | undefined;
  /** The blocks found on opening. */
  readonly blocks: readonly JournalBlock[];
  /** Writes the first line of a new journal; durable when it resolves. */
  begin(start: JournalStart): Promise<void>;
  /** Adds a line; durable when it resolves. */
  append(block: JournalBlock): Promise<void>;
  /** Takes the newest line off again: its transaction made no block. */
  dropLast(): Promise<void>;
  close(): Promise<void>;
}

// 1,000 anchors take about 1 MB and replay in a second; a chain that outgrew this belongs on a real node.
const maxJournalBytes = 256 * 1024 * 1024;

/**
 * Opens or creates the journal in a folder, and cuts a torn last line off.
 *
 * @throws GatewayError `chain_unavailable` when a line other than the last cannot be read
 */
export async function openJournal(folder: string): Promise<Journal> {
  // Not 'a+': a line may have to be taken off again, and its successor goes to the same place.
  const path = journalIn(folder);
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return open(path, 'wx+', 0o600);
  });
  try {
    await syncFolder(folder);
    const { size } = await file.stat();
    if (size > maxJournalBytes)
      throw unavailable(`The local chain's journal is larger than ${maxJournalBytes} bytes`);
    const content = Buffer.alloc(size);
    for (let read = 0; read < size;) {
      const { bytesRead } = await file.read(content, read, size - read, read);
      if (bytesRead === 0)
        throw unavailable('The journal of the local chain became shorter while it was read');
      read += bytesRead;
    }
    const parsed = parse(content);
    if (parsed.sizeBytes < size) {
      await file.truncate(parsed.sizeBytes);
      await file.sync();
    }
    return journalOver(file, parsed);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * The journal's whole lines as they lie on the disk; for a copy, also while a chain is writing. Null without one.
 *
 * @throws GatewayError `chain_unavailable` when a line other than the last cannot be read
 */
export async function readJournal(folder: string): Promise<Buffer | null> {
  const content = await readFile(journalIn(folder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return null;
  });
  return content === null ? null : content.subarray(0, parse(content).sizeBytes);
}

export const journalIn = (folder: string): string => join(folder, 'journal.jsonl');

interface Parsed {
  start: JournalStart | undefined;
  blocks: JournalBlock[];
  /** Where each line begins. */
  offsets: number[];
  /** Length up to the last whole line. */
  sizeBytes: number;
}

function parse(content: Buffer): Parsed {
  const parsed: Parsed = { start: undefined, blocks: [], offsets: [], sizeBytes: 0 };
  for (let from = 0, line = 1; from < content.length; line++) {
    const end = content.indexOf(0x0a, from);
    // Without its line end it was never acknowledged, so it was never sent.
    if (end === -1) break;
    const value = parseLine(content.subarray(from, end));
    const isLast = end + 1 === content.length;
    if (line === 1 ? !isStart(value) : !isBlock(value)) {
      // A crash can also leave a last line of the right length whose content never reached the disk.
      if (isLast) break;
      throw unavailable(`Line ${line} of the local chain's journal cannot be read; restore it from a backup`);
    }
    if (isStart(value)) parsed.start = value;
    else if (isBlock(value)) parsed.blocks.push(value);
    parsed.offsets.push(from);
    from = end + 1;
    parsed.sizeBytes = from;
  }
  return parsed;
}

function parseLine(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function isStart(value: unknown): value is JournalStart {
  return (
    isRecord(value) &&
    value['version'] === 1 &&
    Number.isSafeInteger(value['chainId']) &&
    typeof value['initialDate'] === 'string' &&
    typeof value['hardfork'] === 'string' &&
    typeof value['genesisHash'] === 'string'
  );
}

function isBlock(value: unknown): value is JournalBlock {
  return (
    isRecord(value) &&
    Number.isSafeInteger(value['time']) &&
    typeof value['parent'] === 'string' &&
    typeof value['rawTransaction'] === 'string' &&
    /^0x[0-9a-f]+$/.test(value['rawTransaction'])
  );
}

function journalOver(file: FileHandle, { start, blocks, offsets, sizeBytes }: Parsed): Journal {
  const write = async (line: JournalStart | JournalBlock): Promise<void> => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    for (let written = 0; written < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, written, bytes.length - written, sizeBytes + written);
      written += bytesWritten;
    }
    await file.sync();
    offsets.push(sizeBytes);
    sizeBytes += bytes.length;
  };
  return {
    start,
    blocks,
    begin: write,
    append: write,
    async dropLast() {
      const offset = offsets.pop();
      if (offset === undefined) return;
      await file.truncate(offset);
      await file.sync();
      sizeBytes = offset;
    },
    close: () => file.close(),
  };
}

/** Makes the new file's name durable; Windows cannot sync a folder and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
