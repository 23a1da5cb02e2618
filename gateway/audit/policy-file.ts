// The witness policy a gateway is given as a file.
import { readFileSync } from 'node:fs';
import { GatewayError } from '../errors.ts';
import { FormatError } from './bytes.ts';
import type { VerifierKey } from './note.ts';
import { mustBeAbout, parsePolicy, quorumMet, type Policy } from './policy.ts';

/**
 * Reads and checks a policy; without a file no witness is asked for anything.
 * @throws GatewayError `config_invalid` when the file cannot be read, is no policy, is about another log, or names
 *   too few witnesses with an http(s) address to ever meet its quorum
 */
export function readPolicyFile(file: string | undefined, logKey: VerifierKey): Policy {
  if (file === undefined) return { logs: [], witnesses: [], groups: [], quorum: 'none' };
  let policy: Policy;
  try {
    policy = parsePolicy(readFileSync(file));
    mustBeAbout(policy, logKey);
  } catch (error) {
    if (!(error instanceof FormatError) && (error as { code?: string }).code === undefined) throw error;
    throw refusal(file, error instanceof Error ? error.message : 'unknown');
  }
  const wrong = policy.witnesses.find(({ url }) => url !== null && !isHttp(url));
  if (wrong !== undefined) throw refusal(file, `the address of ${wrong.name} is not an http(s) URL`);
  const askable = policy.witnesses.filter(({ url }) => url !== null).map(({ name }) => name);
  if (policy.quorum !== 'none' && !quorumMet(policy, askable))
    throw refusal(file, 'the witnesses with an address cannot meet the quorum');
  return policy;
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}

function refusal(file: string, message: string): GatewayError {
  return new GatewayError('config_invalid', `the witness policy ${file}: ${message}`);
}
