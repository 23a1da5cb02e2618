// Zip archives, written so that the same files give the same bytes, and read strictly. Pure; runs in the browser too.
// PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end).
import { inflateSync, zipSync } from 'fflate/browser';
import { equalBytes, fromUtf8 } from './bytes.ts';
import { fail } from './checks.ts';

/** Unpacked bytes by name, in the order of the archive. */
export type ZipFiles = ReadonlyMap<string, Uint8Array>;

export const zipLimits = { members: 10_000, unpackedBytes: 200 << 20 } as const;

/** @param atMs all members get noon of this day (UTC): zip times know no zone, and noon exists in every one */
export function packZip(files: ZipFiles, atMs: number): Uint8Array {
  const at = new Date(atMs);
  const mtime = new Date(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), 12);
  return zipSync(Object.fromEntries(files), { level: 6, mtime });
}

/** Whether this begins as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return startsWith(bytes, 0, localHeader);
}

/**
 * Unpacks into memory. What two programs could unpack differently is refused: names or places that disagree, members
 * that overlap, names that are there twice, bytes before or behind.
 * @throws FormatError (check "format")
 */
export function readZip(
  bytes: Uint8Array,
  limits: { members: number; unpackedBytes: number } = zipLimits,
): ZipFiles {
  const members = directoryOf(bytes, limits.members);
  const unpacked = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (unpacked > limits.unpackedBytes) throw wrong(`unpacks to more than ${limits.unpackedBytes} bytes`);
  const files = new Map<string, Uint8Array>();
  const seen = new Set<string>();
  for (const member of members) {
    const { name } = member;
    // On some disks names differ by case alone.
    if (seen.has(name.toLowerCase())) throw wrong(`"${name}" is in it twice`);
    seen.add(name.toLowerCase());
    const content = contentOf(bytes, member);
    // Folders have no contents of their own.
    if (!name.endsWith('/')) files.set(name, content);
    else if (content.length > 0) throw wrong(`the folder "${name}" has contents`);
  }
  return files;
}

interface Member {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly dataAt: number;
}

const localHeader = 0x04034b50;
const centralHeader = 0x02014b50;
const endOfDirectory = 0x06054b50;
const endBytes = 22;
const centralBytes = 46;
const localBytes = 30;
const encrypted = 1;

const wrong = (what: string) => fail('format', `the archive cannot be read: ${what}`);

function directoryOf(bytes: Uint8Array, membersLimit: number): Member[] {
  const view = viewOf(bytes);
  const endAt = bytes.length - endBytes;
  if (endAt < 0 || !startsWith(bytes, endAt, endOfDirectory)) throw wrong('it does not end as one');
  const count = view.getUint16(endAt + 10, true);
  const directoryBytes = view.getUint32(endAt + 12, true);
  const directoryAt = view.getUint32(endAt + 16, true);
  const isWhole =
    view.getUint32(endAt + 4, true) === 0 &&
    view.getUint16(endAt + 8, true) === count &&
    view.getUint16(endAt + 20, true) === 0 &&
    directoryAt + directoryBytes === endAt;
  if (!isWhole) throw wrong('its directory is not at its end');
  if (count > membersLimit) throw wrong(`more than ${membersLimit} members`);
  const members: Member[] = [];
  let at = directoryAt;
  let dataEnd = 0;
  for (let place = 0; place < count; place++) {
    if (at + centralBytes > endAt || !startsWith(bytes, at, centralHeader))
      throw wrong('its directory is broken');
    const nameBytes = view.getUint16(at + 28, true);
    const next =
      at + centralBytes + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > endAt) throw wrong('its directory is broken');
    const nameAt = bytes.subarray(at + centralBytes, at + centralBytes + nameBytes);
    const name = nameOf(nameAt);
    const method = view.getUint16(at + 10, true);
    const packedBytes = view.getUint32(at + 20, true);
    const localAt = view.getUint32(at + 42, true);
    if ((view.getUint16(at + 8, true) & encrypted) !== 0) throw wrong(`"${name}" is encrypted`);
    if (localAt < dataEnd) throw wrong(`"${name}" overlaps another member`);
    if (place === 0 && localAt !== 0) throw wrong('something stands before its first member');
    if (localAt + localBytes > directoryAt || !startsWith(bytes, localAt, localHeader))
      throw wrong(`"${name}" is not where its directory says`);
    const localName = view.getUint16(localAt + 26, true);
    const dataAt = localAt + localBytes + localName + view.getUint16(localAt + 28, true);
    const isSame =
      view.getUint16(localAt + 8, true) === method &&
      equalBytes(bytes.subarray(localAt + localBytes, localAt + localBytes + localName), nameAt);
    if (!isSame) throw wrong(`"${name}" has another name or form where it stands`);
    dataEnd = dataAt + packedBytes;
    if (dataEnd > directoryAt) throw wrong(`"${name}" runs into the directory`);
    members.push({
      name,
      method,
      crc: view.getUint32(at + 16, true),
      packedBytes,
      sizeBytes: view.getUint32(at + 24, true),
      dataAt,
    });
    at = next;
  }
  if (at !== endAt) throw wrong('its directory is broken');
  return members;
}

/** A name that stays inside a folder wherever it is unpacked. */
function nameOf(bytes: Uint8Array): string {
  const name = fromUtf8(bytes, 'format');
  const isPlain =
    name.length > 0 &&
    name.length <= 255 &&
    !name.startsWith('/') &&
    !/[\\:\p{Cc}\p{Cf}]/u.test(name) &&
    !name.split('/').some((part) => part === '..' || part === '.');
  if (!isPlain) throw wrong('the name of a member leads elsewhere');
  return name;
}

function contentOf(
  bytes: Uint8Array,
  { name, method, crc, packedBytes, sizeBytes, dataAt }: Member,
): Uint8Array {
  const packed = bytes.subarray(dataAt, dataAt + packedBytes);
  const content = method === 0 ? packed : method === 8 ? inflated(packed, sizeBytes) : undefined;
  if (content === undefined) throw wrong(`"${name}" is packed in a way that is not known here, or is broken`);
  if (content.length !== sizeBytes || crc32(content) !== crc) throw wrong(`"${name}" is damaged`);
  return content;
}

function inflated(packed: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  try {
    // One byte more than announced: what is longer is found, and never takes more memory.
    return inflateSync(packed, { out: new Uint8Array(sizeBytes + 1) });
  } catch {
    return undefined;
  }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const startsWith = (bytes: Uint8Array, at: number, mark: number): boolean =>
  bytes.length >= at + 4 && viewOf(bytes).getUint32(at, true) === mark;

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++)
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[at] ?? 0)) & 255] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
