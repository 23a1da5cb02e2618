// The submitter's key for a chain given by URL, where the operator names a file instead of the one made on first start.
import { readFileSync, statSync } from 'node:fs';
import { GatewayError } from '../errors.ts';

// Read by the owner, and by a group where a secret is mounted for one; written by the owner alone.
const forbiddenMode = 0o037;
const mostBytes = 200;

/**
 * Reads a private key: 32 bytes in hex, with or without 0x. What the file holds is in no message.
 *
 * @returns the key as 0x text
 * @throws GatewayError `config_invalid` when the file cannot be read, others may read it, or it holds something else
 */
export function readChainKey(path: string): string {
  const refuse = (what: string): GatewayError =>
    new GatewayError('config_invalid', `the key file that ASSENT_CHAIN_KEY_FILE names ${what}`);
  let text: string;
  try {
    const { mode, size } = statSync(path);
    if (process.platform !== 'win32' && (mode & forbiddenMode) !== 0)
      throw refuse('is open to others; run: chmod 600 on it');
    if (size > mostBytes) throw refuse('does not hold 32 bytes in hex');
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const { code } = error as { code?: unknown };
    throw refuse(`cannot be read (${typeof code === 'string' ? code : 'unknown'})`);
  }
  const key = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text)?.[1];
  if (key === undefined) throw refuse('does not hold 32 bytes in hex');
  return `0x${key.toLowerCase()}`;
}
