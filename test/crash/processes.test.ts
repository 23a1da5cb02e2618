// Three gateways as processes on one PostgreSQL database and one chain, any of which may be killed at any time.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { type RpcServer, serveRpc } from '../../gateway/chain/rpc-server.ts';
import { type FreeEvm, startFreeEvm } from '../chain/free-evm.ts';
import { submitterKey } from '../chain/rig.ts';
import { type GatewayProcess, killChildren, run, startGateway } from '../support/gateway-process.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer } from '../support/postgres.ts';

// oxlint-disable-next-line node/no-process-env -- how long to go on is the caller's to say
const rounds = Math.max(2, Math.ceil((3 * Number(process.env['ASSENT_CRASH_ROUNDS'] ?? 15)) / 15));
const gateways = 3;
const callersOfEach = 2;

const parent = mkdtempSync(join(tmpdir(), 'assent-processes-'));
let evm: FreeEvm | undefined;
let server: RpcServer | undefined;

afterAll(async () => {
  killChildren();
  await server?.close();
  await evm?.close();
  rmSync(parent, { recursive: true, force: true });
  await dropDatabases();
});

async function until<Value>(
  what: string,
  look: () => Promise<Value | undefined>,
  limitMs = 30_000,
): Promise<Value> {
  const begunMs = performance.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() - begunMs > limitMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function leads({ url }: GatewayProcess): Promise<boolean> {
  const text = await fetch(`${url}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  return /^assent_leader 1$/m.test(text);
}

async function leaderOf(living: Iterable<GatewayProcess>): Promise<GatewayProcess | undefined> {
  for (const one of living) if (await leads(one)) return one;
  return undefined;
}

describeOnPostgres('several gateways on one database', () => {
  it(
    `survive ${rounds} kills at random under load: a leader is replaced, anchoring goes on, nothing acknowledged is lost`,
    async () => {
      const database = await newDatabase();
      evm = await startFreeEvm({ mineAtOnce: true });
      server = await serveRpc(evm.provider, 0);
      const keyFile = join(parent, 'submitter');
      writeFileSync(keyFile, `${submitterKey}\n`, { mode: 0o600 });
      const environment = {
        ASSENT_STORE: database,
        ASSENT_EMPTY: '1',
        ASSENT_CHAIN_URL: server.url,
        ASSENT_CHAIN_KEY_FILE: keyFile,
        ASSENT_CHAIN_FINALITY: '64',
        ASSENT_ANCHOR_EVERY_SECONDS: '1',
        ASSENT_ORIGIN: 'several.example/log',
      };
      const homeOf = (at: number): string => join(parent, `home-${at}`);
      mkdirSync(homeOf(0));
      const cli = (given: readonly string[], input = '') =>
        run('cli', { arguments: given, input, environment: { ...environment, ASSENT_HOME: homeOf(0) } });
      expect(await cli(['staff', 'add', 'officer', 'olga'], 'a long password for olga')).toMatchObject({
        code: 0,
      });
      const { token } = JSON.parse((await cli(['staff', 'token', 'olga', '--json'])).out) as {
        token: string;
      };
      for (let at = 1; at < gateways; at++)
        cpSync(join(homeOf(0), 'keys'), join(homeOf(at), 'keys'), { recursive: true });

      const living = new Map<number, GatewayProcess>();
      const enter = async (at: number): Promise<void> => {
        living.set(at, await startGateway(homeOf(at), { environment }));
      };
      await Promise.all(Array.from({ length: gateways }, (_, at) => enter(at)));
      await until('a first head', async () => {
        const [head] = await onServer<{ size: string }>(database, 'SELECT size FROM checkpoint LIMIT 1');
        return head;
      });

      const acknowledged = new Map<number, string>();
      const answers = { given: 0, refused: 0, none: 0 };
      let stopped = false;
      const call = async (at: number): Promise<void> => {
        while (!stopped) {
          const response = await fetch(`${living.get(at)?.url}/log/tile/entries/000.p/1`, {
            headers: { authorization: `Bearer ${token}` },
          }).catch(() => undefined);
          const body = await response?.arrayBuffer().catch(() => undefined);
          if (response === undefined) answers.none += 1;
          else if (response.status !== 200) answers.refused += 1;
          else if (body !== undefined) {
            answers.given += 1;
            const number = Number(response.headers.get('assent-entry'));
            const leaf = response.headers.get('assent-leaf') ?? '';
            // No number is ever given twice.
            expect(acknowledged.has(number)).toBe(false);
            acknowledged.set(number, leaf);
          }
          await new Promise((resolve) => setTimeout(resolve, response?.status === 200 ? 5 : 100));
        }
      };
      const load = Promise.all(
        Array.from({ length: gateways * callersOfEach }, (_, caller) => call(caller % gateways)),
      );

      const newestAnchor = async (): Promise<number> => {
        const [row] = await onServer<{ size: string | null }>(
          database,
          "SELECT max(size) AS size FROM anchor WHERE state IN ('mined', 'final')",
        );
        return Number(row?.size ?? 0);
      };
      const takeoversMs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await new Promise((resolve) => setTimeout(resolve, randomInt(200, 1200)));
        const leader = await until('a leader', () => leaderOf(living.values()));
        const at =
          round % 2 === 0
            ? [...living].find(([, one]) => one === leader)![0]
            : [...living.keys()][randomInt(living.size)]!;
        const victim = living.get(at)!;
        living.delete(at);
        const killedMs = performance.now();
        await victim.stop('SIGKILL');
        const anchored = await newestAnchor();
        await until('a leader after the kill', () => leaderOf(living.values()));
        if (victim === leader) takeoversMs.push(Math.round(performance.now() - killedMs));
        await until('an anchor after the kill', async () =>
          (await newestAnchor()) > anchored ? true : undefined,
        );
        await enter(at);
      }
      stopped = true;
      await load;
      // Exactly one leads while all are well.
      const leaders = await Promise.all([...living.values()].map(leads));
      expect(leaders.filter(Boolean)).toHaveLength(1);
      for (const one of living.values()) expect(await one.stop('SIGTERM')).toMatchObject({ code: 0 });

      const rows = await onServer<{ number: string; leaf: Buffer }>(
        database,
        'SELECT number, leaf FROM entry ORDER BY number',
      );
      expect(rows.map(({ number }) => Number(number))).toEqual(rows.map((_, place) => place));
      const hashes = rows.map(({ leaf }) => Buffer.from(leafHash(leaf)).toString('hex'));
      expect([...acknowledged].filter(([number, hash]) => hashes[number] !== hash)).toEqual([]);
      const tree = new MerkleTree();
      for (const { leaf } of rows) tree.append(leafHash(leaf));
      const heads = await onServer<{ size: string; root: Buffer }>(
        database,
        'SELECT size, root FROM checkpoint ORDER BY size',
      );
      for (const { size, root } of heads)
        expect([size, root.toString('hex')]).toEqual([
          size,
          Buffer.from(tree.root(Number(size))).toString('hex'),
        ]);
      expect(Number(heads.at(-1)?.size)).toBe(rows.length);
      const anchors = await onServer<{ size: string; nonce: string; state: string; epoch: string }>(
        database,
        'SELECT size, nonce, state, epoch FROM anchor ORDER BY id',
      );
      const mined = anchors.filter(({ state }) => state === 'mined' || state === 'final');
      // One contract all the time, and no nonce was ever used for two transactions.
      expect(new Set(anchors.map(({ epoch }) => epoch)).size).toBe(1);
      expect(new Set(anchors.map(({ nonce }) => nonce)).size).toBe(anchors.length);
      expect(mined.length).toBeGreaterThanOrEqual(rounds);
      const sizes = mined.map(({ size }) => Number(size));
      expect(sizes).toEqual([...new Set(sizes)].toSorted((a, b) => a - b));
      expect(acknowledged.size).toBeGreaterThan(rounds * 20);
      expect(takeoversMs.length).toBeGreaterThan(0);
      for (const tookMs of takeoversMs) expect(tookMs).toBeLessThan(15_000);
      const said = {
        ...answers,
        entries: rows.length,
        heads: heads.length,
        mined: mined.length,
        takeoversMs,
      };
      process.stdout.write(`${JSON.stringify(said)}\n`);
    },
    90_000 + rounds * 30_000,
  );
});
