// Which witnesses must have cosigned a head: c2sp.org/tlog-policy. Pure; runs in the browser too.
import { equalBytes, FormatError, fromUtf8 } from './bytes.ts';
import { parseCosignatureKey, verifyCosignatures } from './cosignature.ts';
import { parseVerifierKey, type Note, type VerifierKey } from './note.ts';

export interface PolicyLog {
  /** The key as written: `name+id+base64`. */
  readonly verifierKey: string;
  readonly key: VerifierKey;
  readonly url: string | null;
}

export interface PolicyWitness {
  /** Its name in this policy; the key has its own. */
  readonly name: string;
  /** The key as written; type 0x04. */
  readonly verifierKey: string;
  readonly key: VerifierKey;
  /** Submission prefix of c2sp.org/tlog-witness. */
  readonly url: string | null;
}

export interface PolicyGroup {
  readonly name: string;
  /** How many members make the group; from 1 to their number. */
  readonly threshold: number;
  /** Names of witnesses and of earlier groups. */
  readonly members: readonly string[];
}

export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group; `none`: no cosignature is asked for. */
  readonly quorum: string;
}

export interface WitnessVoice {
  /** Name of the witness in the policy. */
  readonly witness: string;
  /** Name of its key. */
  readonly name: string;
  /** When it says it signed: seconds since 1970 UTC. */
  readonly seconds: number;
}

const check = 'witnesses';
const limits = { bytes: 64 * 1024, logs: 32, witnesses: 48, groups: 48 } as const;

/**
 * Reads a policy. Text other than ASCII must be UTF-8; a last line without newline is accepted.
 * Stricter than the specification: key ids must fit, and no witness may have the key of a log.
 * @throws FormatError `policy` | `key` | `utf8` | `size` naming the line
 */
export function parsePolicy(text: string | Uint8Array): Policy {
  if (text.length > limits.bytes) throw new FormatError('size', check, 'the policy is over 64 KiB');
  const whole = typeof text === 'string' ? text : fromUtf8(text, check);
  if (!whole.isWellFormed()) throw new FormatError('utf8', check, 'not valid UTF-8');
  const draft = new PolicyDraft();
  for (const [place, line] of whole.split('\n').entries()) {
    try {
      draft.add(line);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(error.code, check, `line ${place + 1} of the policy: ${error.message}`);
    }
  }
  return draft.finish();
}

/** One line a thing, in the order logs, witnesses, groups, quorum; `parsePolicy` reads the same policy from it. */
export function formatPolicy({ logs, witnesses, groups, quorum }: Policy): string {
  const lines = [
    ...logs.map(({ verifierKey, url }) => ['log', verifierKey, url]),
    ...witnesses.map(({ name, verifierKey, url }) => ['witness', name, verifierKey, url]),
    ...groups.map(({ name, threshold, members }) => ['group', name, threshold, ...members]),
    ['quorum', quorum],
  ];
  return lines.map((words) => `${words.filter((word) => word !== null).join(' ')}\n`).join('');
}

/**
 * Whether these witnesses, by their names in the policy, meet its quorum. False where the quorum is `none`: such a
 * policy asks for no witness, so nobody has witnessed anything.
 */
export function quorumMet(policy: Policy, signed: Iterable<string>): boolean {
  const reached = new Set(signed);
  for (const name of reached) {
    if (!policy.witnesses.some((witness) => witness.name === name)) reached.delete(name);
  }
  // Groups refer backwards only, so one pass in their order settles all.
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => reached.has(member)).length >= threshold) reached.add(name);
  }
  return reached.has(policy.quorum);
}

/**
 * Who of the policy's witnesses cosigned this note, and whether that meets the quorum. The log's own signature is
 * `verifyNote`'s to check.
 * @throws FormatError (check "witnesses") when a line by a witness of the policy is wrong
 */
export function checkCosignatures(
  note: Note,
  policy: Policy,
): { readonly valid: readonly WitnessVoice[]; readonly quorum: boolean } {
  const cosignatures = verifyCosignatures(
    note,
    policy.witnesses.map(({ key }) => key),
  );
  const valid = policy.witnesses.flatMap(({ name: witness, key }) =>
    cosignatures
      .filter((cosignature) => cosignature.key === key)
      .map(({ seconds }) => ({ witness, name: key.name, seconds })),
  );
  return {
    valid,
    quorum: quorumMet(
      policy,
      valid.map(({ witness }) => witness),
    ),
  };
}

/**
 * The policy as a trust file carries it: its one log is this log. Without a policy the quorum is `none`.
 * @param trust `logKey` is the log's verifier key; `policy` what the gateway was given
 * @throws FormatError `policy` when the policy names other logs
 */
export function policyTextFor(trust: { readonly logKey: string; readonly policy?: Policy }): string {
  const key = parseVerifierKey(trust.logKey);
  const policy = trust.policy ?? { logs: [], witnesses: [], groups: [], quorum: 'none' };
  mustBeAbout(policy, key);
  const logs = policy.logs.length > 0 ? policy.logs : [{ verifierKey: trust.logKey, key, url: null }];
  return formatPolicy({ ...policy, logs });
}

/** @throws FormatError `policy` unless the policy names this log or none, and no witness has its key */
export function mustBeAbout({ logs, witnesses }: Policy, logKey: VerifierKey): void {
  if (!logs.every(({ key }) => key.name === logKey.name && equalBytes(key.publicKey, logKey.publicKey))) {
    throw malformed('the policy is about another log');
  }
  if (witnesses.some(({ key }) => equalBytes(key.publicKey, logKey.publicKey))) {
    throw malformed('a log cannot be its own witness');
  }
}

class PolicyDraft {
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  readonly #names = new Set<string>();
  readonly #members = new Set<string>();
  #quorum: string | undefined;

  add(line: string): void {
    checkCharacters(line);
    const [keyword, ...words] = line.split(/[ \t]+/).filter((word) => word !== '');
    if (keyword === undefined || keyword.startsWith('#')) return;
    switch (keyword) {
      case 'log':
        return this.#addLog(words);
      case 'witness':
        return this.#addWitness(words);
      case 'group':
        return this.#addGroup(words);
      case 'quorum':
        return this.#setQuorum(words);
      default:
        throw malformed('a line begins with log, witness, group, quorum or #');
    }
  }

  finish(): Policy {
    if (this.#quorum === undefined) throw malformed('a policy has exactly one quorum line');
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum };
  }

  #addLog(words: readonly string[]): void {
    const [verifierKey, url, ...rest] = words;
    if (verifierKey === undefined || rest.length > 0) throw malformed('the form is: log KEY [URL]');
    if (this.#logs.length === limits.logs) throw malformed(`more than ${limits.logs} logs`);
    const key = parseVerifierKey(verifierKey);
    this.#mustBeNewKey(key);
    this.#logs.push({ verifierKey, key, url: url ?? null });
  }

  #addWitness(words: readonly string[]): void {
    const [name, verifierKey, url, ...rest] = words;
    if (name === undefined || verifierKey === undefined || rest.length > 0) {
      throw malformed('the form is: witness NAME KEY [URL]');
    }
    if (this.#witnesses.length === limits.witnesses)
      throw malformed(`more than ${limits.witnesses} witnesses`);
    const key = parseCosignatureKey(verifierKey);
    this.#mustBeNewKey(key);
    this.#define(name);
    this.#witnesses.push({ name, verifierKey, key, url: url ?? null });
  }

  #addGroup(words: readonly string[]): void {
    const [name, rule, ...members] = words;
    if (name === undefined || rule === undefined || members.length === 0) {
      throw malformed('the form is: group NAME K|all|any NAME ...');
    }
    if (this.#groups.length === limits.groups) throw malformed(`more than ${limits.groups} groups`);
    const threshold = thresholdOf(rule, members.length);
    for (const member of members) {
      if (!this.#names.has(member)) throw malformed(`${member} is not defined on an earlier line`);
      if (this.#members.has(member)) throw malformed(`${member} is a member more than once`);
      this.#members.add(member);
    }
    this.#define(name);
    this.#groups.push({ name, threshold, members });
  }

  #setQuorum(words: readonly string[]): void {
    const [name, ...rest] = words;
    if (name === undefined || rest.length > 0) throw malformed('the form is: quorum NAME|none');
    if (this.#quorum !== undefined) throw malformed('a policy has exactly one quorum line');
    if (name !== 'none' && !this.#names.has(name)) {
      throw malformed(`${name} is not defined on an earlier line`);
    }
    this.#quorum = name;
  }

  #define(name: string): void {
    if (name === 'none') throw malformed('the name none is taken');
    if (this.#names.has(name)) throw malformed(`${name} is defined twice`);
    this.#names.add(name);
  }

  #mustBeNewKey({ publicKey }: VerifierKey): void {
    for (const { key } of [...this.#logs, ...this.#witnesses]) {
      if (equalBytes(key.publicKey, publicKey)) throw malformed(`this key is there already, as ${key.name}`);
    }
  }
}

function thresholdOf(rule: string, count: number): number {
  if (rule === 'all') return count;
  if (rule === 'any') return 1;
  if (/^[1-9][0-9]{0,3}$/.test(rule) && Number(rule) <= count) return Number(rule);
  throw malformed(`the threshold is all, any or a number from 1 to ${count}`);
}

function checkCharacters(line: string): void {
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) throw malformed('a control character');
  }
}

const malformed = (message: string) => new FormatError('policy', check, message);
