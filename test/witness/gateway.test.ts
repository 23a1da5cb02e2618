// A gateway and its witnesses as an operator runs them: real processes, a policy file, a restored copy.
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCheckpoint, parseNote } from '../../gateway/audit/note.ts';
import { checkCosignatures, parsePolicy } from '../../gateway/audit/policy.ts';
import { createSigner } from '../../gateway/audit/publish.ts';
import { startWitness, type RunningWitness } from '../../gateway/commands/witness.ts';
import { realSystem } from '../../gateway/system.ts';
import { freePort, killChildren, run, startGateway } from '../support/gateway-process.ts';

const parent = mkdtempSync(join(tmpdir(), 'assent-witnessed-'));
const witnesses: RunningWitness[] = [];
afterAll(async () => {
  killChildren();
  for (const witness of witnesses) await witness.close();
  rmSync(parent, { recursive: true, force: true });
});

const origin = 'gateway.example/log/1';
const environment = { ASSENT_EMPTY: '1', ASSENT_ORIGIN: origin };

async function witness(name: string, logKey: string): Promise<RunningWitness> {
  const running = await startWitness(
    { home: join(parent, name), name, logs: [logKey], logsFile: undefined, host: '127.0.0.1', port: 0 },
    realSystem,
    () => undefined,
  );
  witnesses.push(running);
  return running;
}

/** A caller without a token is counted, and the count becomes an entry. */
const countedRequest = (url: string): Promise<Response> =>
  fetch(`${url}/v1/data/browsing?purpose=recommendation`);

const newestAt = async ({ url }: RunningWitness): Promise<string> =>
  (await fetch(`${url}/${createHash('sha256').update(origin).digest('hex')}/checkpoint`)).text();

describe('a gateway with a policy of two of three witnesses', { timeout: 120_000 }, () => {
  const home = join(parent, 'home');
  const policyFile = join(parent, 'policy');

  it('has its heads cosigned by those that live, and its trust file carries the policy', async () => {
    // The log's key from the start, so that its witnesses can be told of it before it runs.
    mkdirSync(join(home, 'keys'), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, 'keys', 'log.key'), '0a'.repeat(32), { mode: 0o600 });
    const logKey = createSigner(origin, new Uint8Array(32).fill(10)).verifierKey;
    const [a, b] = [await witness('a', logKey), await witness('b', logKey)];
    const dead = await witness('c', logKey);
    await dead.close();
    witnesses.pop();
    writeFileSync(
      policyFile,
      `witness a ${a.verifierKey} ${a.url}\nwitness b ${b.verifierKey} ${b.url}/\nwitness c ${dead.verifierKey} ${dead.url}\ngroup g 2 a b c\nquorum g\n`,
    );
    const gateway = await startGateway(home, {
      environment: { ...environment, ASSENT_WITNESS_POLICY: policyFile },
    });
    expect(gateway.greeting).toMatch(/the witness c could not be asked/);
    await countedRequest(gateway.url);
    expect((await gateway.stop('SIGTERM')).code).toBe(0);

    const exported = await run('cli', {
      arguments: ['trust', 'export'],
      environment: { ...environment, ASSENT_HOME: home, ASSENT_WITNESS_POLICY: policyFile },
    });
    const { policy } = JSON.parse(exported.out) as { policy: string };
    expect(policy.startsWith(`log ${logKey}\nwitness a `)).toBe(true);
    // Each witness holds the head that the gateway signed last, with its own line.
    for (const one of [a, b]) {
      const note = parseNote(await newestAt(one));
      expect(checkCosignatures(note, parsePolicy(policy)).valid).toHaveLength(1);
      expect(parseCheckpoint(note.text).size).toBeGreaterThan(0);
    }
    expect(parseNote(await newestAt(a)).text).toBe(parseNote(await newestAt(b)).text);
  });

  it('does not start on a copy from before, and says who saw more', async () => {
    cpSync(home, join(parent, 'copy'), { recursive: true });
    const gateway = await startGateway(home, {
      environment: { ...environment, ASSENT_WITNESS_POLICY: policyFile },
    });
    await countedRequest(gateway.url);
    await gateway.stop('SIGTERM');
    const port = await freePort();
    const ended = await run('main', {
      environment: {
        ...environment,
        ASSENT_HOME: join(parent, 'copy'),
        ASSENT_WITNESS_POLICY: policyFile,
        PORT: String(port),
        ASSENT_CHAIN_PORT: '0',
      },
    });
    expect(ended.code).not.toBe(0);
    expect(ended.err + ended.out).toMatch(
      /the log holds \d+ entries, but the witness a cosigned a head of \d+/,
    );
  });
});
