import { sha256 } from '@noble/hashes/sha2.js';
import { toHex, toUtf8 } from './bytes.ts';

/** Name under which the contract knows a log: SHA-256 of its origin, 0x-hex. */
export function logIdOf(origin: string): string {
  return `0x${toHex(sha256(toUtf8(origin)))}`;
}
