// assent witness: runs a witness for logs of others, with a key and a memory of its own.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '../audit/bytes.ts';
import { parseVerifierKey, type VerifierKey } from '../audit/note.ts';
import { parsePolicy } from '../audit/policy.ts';
import { createSigner } from '../audit/publish.ts';
import { GatewayError } from '../errors.ts';
import { loadKey } from '../key-files.ts';
import type { System } from '../system.ts';
import { openMemory, type Conflict, type Memory } from '../witness/memory.ts';
import { buildWitnessServer } from '../witness/server.ts';
import { createWitness } from '../witness/witness.ts';

export interface WitnessOrder {
  /** Folder with the witness's key and memory; never a gateway's. */
  readonly home: string;
  /** Name of its key; needed on the first start, kept from then on. */
  readonly name: string | undefined;
  /** Verifier keys of the logs it witnesses. */
  readonly logs: readonly string[];
  /** File of `log KEY` lines, such as a policy. */
  readonly logsFile: string | undefined;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** From one address; 0: no limit. */
  readonly requestsPerMinute?: number;
}

export interface RunningWitness {
  readonly verifierKey: string;
  readonly url: string;
  readonly origins: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts a witness; it answers when this returns.
 * @param warn told of every contradiction by a log, and of failures
 * @throws GatewayError `config_invalid` for a missing or changed name, unreadable log keys, or a gateway's folder
 */
export async function startWitness(
  order: WitnessOrder,
  system: System,
  warn: (line: string) => void,
): Promise<RunningWitness> {
  const logs = logKeys(order);
  if (existsSync(join(order.home, 'assent.sqlite')))
    throw new GatewayError('config_invalid', `${order.home} is a gateway's folder; a witness needs its own`);
  mkdirSync(order.home, { recursive: true, mode: 0o700 });
  const seed = loadKey(order.home, 'witness.key', system.random);
  const file = join(order.home, 'witness.sqlite');
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
  const memory = openMemory(file);
  try {
    const signer = createSigner(nameOf(memory, order.name), seed);
    const witness = createWitness({
      memory,
      signer,
      logs,
      clock: system.clock,
      onConflict: (origin, conflict) => warn(described(origin, conflict)),
    });
    const server = await buildWitnessServer(witness, {
      ...(order.requestsPerMinute === undefined ? {} : { requestsPerMinute: order.requestsPerMinute }),
      onFailure: (message) => warn(`a request failed: ${message}`),
    });
    const url = await server.listen({ host: order.host, port: order.port });
    return {
      verifierKey: witness.verifierKey,
      url,
      origins: witness.origins,
      async close() {
        await server.close();
        memory.close();
      },
    };
  } catch (error) {
    memory.close();
    throw error;
  }
}

function logKeys({ logs, logsFile }: WitnessOrder): VerifierKey[] {
  try {
    // A file of log lines alone is no policy yet; one that has its quorum line is read as it is.
    const file = logsFile === undefined ? '' : readFileSync(logsFile, 'utf8');
    const policy = /^[ \t]*quorum[ \t]/m.test(file) ? file : `${file}\nquorum none\n`;
    const keys = [
      ...logs.map((key) => parseVerifierKey(key)),
      ...parsePolicy(policy).logs.map(({ key }) => key),
    ];
    if (keys.length > 0) return keys;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new GatewayError('config_invalid', `the keys of the logs cannot be read: ${error.message}`);
  }
  throw new GatewayError(
    'config_invalid',
    'a witness needs the key of at least one log: --log KEY or --logs FILE',
  );
}

/** A key under two names would count twice for whoever trusts both. */
function nameOf(memory: Memory, given: string | undefined): string {
  const known = memory.name();
  if (known !== undefined && given !== undefined && known !== given)
    throw new GatewayError('config_invalid', `this witness is named ${known}; it cannot be renamed`);
  const name = known ?? given;
  if (name === undefined) throw new GatewayError('config_invalid', 'the first start needs --name NAME');
  if (!/^[^\p{White_Space}+\p{Cc}]{1,255}$/u.test(name))
    throw new GatewayError('config_invalid', 'a name has 1 to 255 characters, no space and no plus sign');
  if (known === undefined) memory.setName(name);
  return name;
}

function described(origin: string, { kind, size, cosigned, refused }: Conflict): string {
  const what =
    kind === 'split'
      ? `SPLIT VIEW: ${origin} signed two roots for size ${size}. Both notes together prove it to anybody`
      : `${origin} sent a head of size ${size} without a valid proof that it extends what was cosigned`;
  return `${what}:\n\n${cosigned}\n${refused}`;
}
