// Another EVM behind a URL, as the gateway opens it: key file, chain id, contract, a chain that is away or was reset.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAnchorer } from '../../gateway/audit/anchor.ts';
import { createAnchoring } from '../../gateway/audit/anchoring.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { epochOf } from '../../gateway/audit/proof.ts';
import { addressOfKey, checkAnchorOnChain, deployAnchor } from '../../gateway/chain/evm.ts';
import { loadArtifact } from '../../gateway/chain/compile.ts';
import { readChainKey } from '../../gateway/chain/key-file.ts';
import { type RpcServer, serveRpc } from '../../gateway/chain/rpc-server.ts';
import { type Core, openChain, openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { anchor as anchorTable, entry } from '../../gateway/store/tables.ts';
import { handClock, realSystem } from '../../gateway/system.ts';
import { type FreeEvm, type FreeEvmOptions, startFreeEvm } from './free-evm.ts';
import { newFolder, removeFolders, strangerKey, submitterKey } from './rig.ts';

let home: string;
let evm: FreeEvm;
let server: RpcServer;
let core: Core | undefined;

beforeEach(async () => {
  home = await newFolder();
  evm = await startFreeEvm({ mineAtOnce: true });
  server = await serveRpc(evm.provider, 0);
  writeFileSync(join(home, 'submitter'), submitterKey, { mode: 0o600 });
});

afterEach(async () => {
  await core?.close();
  core = undefined;
  await server.close();
  await evm.close();
});

afterAll(removeFolders);

/** The same address, another chain behind it. */
async function replaceChain(options: FreeEvmOptions = {}): Promise<void> {
  const port = Number(new URL(server.url).port);
  await server.close();
  await evm.close();
  evm = await startFreeEvm({ mineAtOnce: true, ...options });
  server = await serveRpc(evm.provider, port);
}

async function start(environment: Record<string, string> = {}): Promise<Core> {
  await core?.close();
  const config = loadConfig({
    ASSENT_HOME: home,
    ASSENT_CHAIN_URL: server.url,
    ASSENT_CHAIN_KEY_FILE: join(home, 'submitter'),
    // This EVM calls its newest block finalized.
    ASSENT_CHAIN_FINALITY: '64',
    ...environment,
  });
  core = await openCore(config, {
    clock: handClock(Date.parse('2026-03-01T12:00:00Z')),
    random: realSystem.random,
  });
  return core;
}

/** One start of the gateway's anchoring, without the network around it. */
function anchoringOf(on: Core) {
  const said: string[] = [];
  const forks: GatewayError[] = [];
  const { store, log, publisher, config, system } = on;
  const anchoring = createAnchoring({
    open: () => openChain(on),
    anchorerOn: (chain) =>
      createAnchorer({ store, log, publisher, chain, origin: config.origin, clock: system.clock }),
    isLocal: config.chainUrl === undefined,
    clock: system.clock,
    warn: (text) => void said.push(text),
    onFork: (error) => void forks.push(error),
  });
  return { anchoring, said, forks };
}

async function addEntry(on: Core): Promise<void> {
  await on.store.write((tx) =>
    on.log.append(tx, {
      kind: 'incident',
      concern: { kind: 'system' },
      operationId: `op-${on.log.durableSize()}`,
      atMs: on.system.clock.nowMs(),
      outcome: 'noted',
      recipient: null,
      keyClass: 'evidence',
      payload: { operation: 'administer' },
    }),
  );
}

const anchorsOf = (on: Core) =>
  on.store.read(async (reader) => reader.db.select().from(anchorTable).orderBy(anchorTable.id));

const operationsOf = (on: Core): Promise<string[]> =>
  on.store.read(async (reader) =>
    (await reader.db.select({ id: entry.operationId }).from(entry)).map(({ id }) => id),
  );

const newest = async (on: Core): Promise<number> => (await on.publisher.latest())!.size;

describe('a chain by URL', () => {
  it('takes anchors from the account of the key file, over HTTP, and they become final by its rule', async () => {
    const on = await start({ ASSENT_CHAIN_FINALITY: '2' });
    await addEntry(on);
    const { anchoring, said } = anchoringOf(on);
    await anchoring.start();
    await anchoring.round();
    const opened = anchoring.opened()!;
    expect(opened.chain.submitter).toBe(addressOfKey(submitterKey));
    expect(opened.trusted).toMatchObject({ chainId: 4242, finality: 'confirmations:2' });
    expect(await opened.chain.head(logIdOf(on.config.origin))).toMatchObject({
      size: await newest(on),
      seq: 1,
    });
    expect((await anchorsOf(on)).map(({ state }) => state)).toEqual(['mined']);
    await evm.mine(2);
    await anchoring.round();
    expect((await anchorsOf(on)).map(({ state }) => state)).toEqual(['final']);
    expect(said).toEqual([]);
  });

  it('keeps its contract over restarts, also from an account that has sent before', async () => {
    // Three transactions before the gateway's: its contract is not the account's first.
    const artifact = await loadArtifact();
    for (const name of ['a', 'b']) {
      const logId = logIdOf(name);
      await deployAnchor({
        provider: evm.provider,
        adminKey: submitterKey,
        artifact: { ...artifact, deployedBytecode: '0x00' },
        logId,
        submitter: addressOfKey(submitterKey),
      });
    }
    const first = await openChain(await start());
    const height = await evm.height();
    const again = await openChain(await start());
    expect(again.trusted).toEqual(first.trusted);
    expect(await evm.height()).toBe(height);
    // The note of it lost, as after a crash between deploying and writing it down: found again.
    await core!.setChain(null);
    expect((await openChain(core!)).trusted.contract).toBe(first.trusted.contract);
    expect(await evm.height()).toBe(height);
  });

  it('whose contract takes heads of this log from another account is refused before anything is paid', async () => {
    const on = await start();
    const { contract } = await deployAnchor({
      provider: evm.provider,
      adminKey: strangerKey,
      artifact: await loadArtifact(),
      logId: logIdOf(on.config.origin),
      submitter: addressOfKey(strangerKey),
    });
    const height = await evm.height();
    const refused = openChain(await start({ ASSENT_CHAIN_CONTRACT: contract }));
    await expect(refused).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(
        `setSubmitter(${logIdOf(on.config.origin)}, ${addressOfKey(submitterKey)})`,
      ),
    });
    expect(await evm.height()).toBe(height);
  });

  it('that has no contract at the address given is no place to deploy one', async () => {
    const on = await start({ ASSENT_CHAIN_CONTRACT: `0x${'99'.repeat(20)}` });
    await expect(openChain(on)).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(await evm.height()).toBe(0);
  });

  it('that is still being read gets no second contract', async () => {
    const on = await start();
    const busy = { request: evm.provider.request };
    evm.provider.request = (call) =>
      call.method === 'eth_syncing' ? Promise.resolve({ currentBlock: '0x1' }) : busy.request(call);
    await expect(openChain(on)).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(await evm.height()).toBe(0);
  });

  it('on which another gateway leads is taken with the same rule of finality, and refused with another, naming both', async () => {
    const led = await openChain(await start({ ASSENT_CHAIN_FINALITY: '64' }));
    const follower = await start({ ASSENT_CHAIN_FINALITY: '64' });
    expect((await openChain(follower, false)).trusted).toEqual(led.trusted);
    const other = await start({ ASSENT_CHAIN_FINALITY: 'instant' });
    await expect(openChain(other, false)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/ASSENT_CHAIN_FINALITY .*instant here and confirmations:64 at/),
    });
    expect(await other.chain()).toEqual(led.trusted);
    // Once it leads itself, the rule is its own.
    expect((await openChain(other)).trusted.finality).toBe('instant');
    expect(await other.chain()).toMatchObject({ finality: 'instant' });
  });

  it('of a development node is called local, whatever is configured', async () => {
    await server.close();
    server = await serveRpc({ request: ({ method, params = [] }) => evm.ask(method, ...params) }, 0);
    const opened = await openChain(await start({ ASSENT_CHAIN_FINALITY: 'instant' }));
    expect(opened.trusted.finality).toBe('local');
  });
});

describe('the chain id', () => {
  it('of the first chain is kept: another chain at the same address is refused, and nothing is deployed', async () => {
    const { genesisHash } = (await openChain(await start())).trusted;
    await replaceChain({ chainId: 77 });
    const on = await start();
    const refusal = {
      code: 'config_invalid',
      message: expect.stringMatching(/chain 4242.* is 77;.*ASSENT_CHAIN_ID=77/),
    };
    await expect(openChain(on)).rejects.toMatchObject(refusal);
    await expect(anchoringOf(on).anchoring.start()).rejects.toMatchObject(refusal);
    expect(await evm.height()).toBe(0);
    expect(await on.chain()).toMatchObject({ chainId: 4242, genesisHash });
  });

  it('that changes while the gateway runs ends no epoch', async () => {
    const on = await start();
    await addEntry(on);
    const { anchoring } = anchoringOf(on);
    await anchoring.start();
    await anchoring.round();
    await replaceChain({ chainId: 77 });
    await expect(anchoring.round()).rejects.toMatchObject({ code: 'chain_unavailable' });
    await expect(anchoring.round()).rejects.toMatchObject({ code: 'config_invalid' });
    expect((await anchorsOf(on)).map(({ state }) => state)).toEqual(['mined']);
    await addEntry(on);
    expect((await on.publisher.publish())?.size).toBe(on.log.durableSize());
  });

  it('that is asked for by name moves the log there: a new epoch, and the old anchors end as lost', async () => {
    const on = await start();
    await addEntry(on);
    await anchoringOf(on).anchoring.round();
    const old = (await on.chain())!;
    await replaceChain({ chainId: 77 });
    const moved = await start({ ASSENT_CHAIN_ID: '77' });
    await anchoringOf(moved).anchoring.round();
    const rows = await anchorsOf(moved);
    expect(rows).toMatchObject([
      { state: 'lost', epoch: epochOf(old) },
      { state: 'mined', size: await newest(moved), sequence: 1 },
    ]);
    expect((await operationsOf(moved)).filter((id) => id.startsWith('chain-lost-'))).toHaveLength(1);
    await expect(openChain(await start({ ASSENT_CHAIN_ID: '78' }))).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });
});

describe('a chain that was reset', () => {
  it('under a running gateway gets a new contract and the newest head; what was on it is lost, and says so', async () => {
    const on = await start();
    await addEntry(on);
    const { anchoring, forks } = anchoringOf(on);
    await anchoring.start();
    await anchoring.round();
    const old = anchoring.opened()!.trusted;
    const [row] = await anchorsOf(on);
    const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
    const claim = {
      url: server.url,
      trust: old,
      logId: logIdOf(on.config.origin),
      anchor: {
        transactionHash: row!.transactionHash,
        size: row!.size,
        root: hex(row!.root),
        seq: row!.sequence!,
        checkpointHash: hex(row!.checkpointHash),
      },
    };
    expect(await checkAnchorOnChain(claim)).toMatchObject({ ok: true });
    await replaceChain({ initialDate: '2026-02-02T00:00:00.000Z' });
    await addEntry(on);
    await expect(anchoring.round()).rejects.toMatchObject({ code: 'chain_unavailable' });
    await anchoring.round();
    expect(await anchorsOf(on)).toMatchObject([
      { state: 'lost', epoch: epochOf(old) },
      { state: 'mined', size: await newest(on), sequence: 1 },
    ]);
    expect((await operationsOf(on)).filter((id) => id.startsWith('chain-lost-'))).toHaveLength(1);
    expect(anchoring.opened()!.trusted.genesisHash).not.toBe(old.genesisHash);
    expect(forks).toEqual([]);
    // A bundle made before names the old chain, and the check says which part of its identity is another.
    expect(await checkAnchorOnChain(claim)).toMatchObject({
      ok: false,
      check: 'genesis',
      detail: expect.stringContaining(old.genesisHash),
    });
  });
});

describe('a chain that is away', () => {
  it('at the start does not stop the log; it is said once, and made good without a restart', async () => {
    const port = Number(new URL(server.url).port);
    await server.close();
    const on = await start({ ASSENT_CHAIN_URL: `http://127.0.0.1:${port}` });
    await addEntry(on);
    const { anchoring, said } = anchoringOf(on);
    await anchoring.start();
    expect(anchoring.status()).toMatchObject({ chain: 'silent' });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('THE CHAIN CANNOT BE USED');
    expect(anchoring.opened()).toBeUndefined();
    await expect(anchoring.round()).rejects.toMatchObject({ code: 'chain_unavailable' });
    await addEntry(on);
    expect((await on.publisher.publish())?.size).toBe(on.log.durableSize());
    expect(await on.prover.reached()).toMatchObject({
      checkpointed: await newest(on),
      anchored: 0,
      final: 0,
    });
    expect(said).toHaveLength(1);
    server = await serveRpc(evm.provider, port);
    await anchoring.round();
    expect(anchoring.status()).toMatchObject({ chain: 'answers' });
    expect(said).toHaveLength(2);
    expect(await on.prover.reached()).toMatchObject({ anchored: await newest(on) });
  });

  it('at the start, and knows a larger log when it answers, stops the gateway before anything is anchored', async () => {
    const on = await start();
    for (let added = 0; added < 3; added++) await addEntry(on);
    await anchoringOf(on).anchoring.round();
    const { origin } = on.config;
    // An older copy of the log under the same name and keys, and the chain away at its start.
    const port = Number(new URL(server.url).port);
    await server.close();
    const other = await newFolder();
    const older = await start({ ASSENT_HOME: other, ASSENT_ORIGIN: origin });
    const { anchoring, forks } = anchoringOf(older);
    await anchoring.start();
    await addEntry(older);
    expect(forks).toEqual([]);
    server = await serveRpc(evm.provider, port);
    await older.setChain(null);
    await expect(anchoring.round()).rejects.toMatchObject({ code: 'log_fork' });
    expect(forks).toHaveLength(1);
    expect(await anchorsOf(older)).toEqual([]);
  });

  it('for the gateway’s own chain is a failed start', async () => {
    const on = await start();
    const { store, log, publisher, config, system } = on;
    const anchoring = createAnchoring({
      open: () => Promise.reject(new GatewayError('chain_unavailable', 'injected')),
      anchorerOn: (chain) =>
        createAnchorer({ store, log, publisher, chain, origin: config.origin, clock: system.clock }),
      isLocal: true,
      clock: system.clock,
      warn: () => {},
      onFork: () => {},
    });
    await expect(anchoring.start()).rejects.toMatchObject({ code: 'chain_unavailable' });
  });
});

describe('a key file', () => {
  const write = (text: string, mode = 0o600): string => {
    const path = join(home, 'key');
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };

  it('holds 32 bytes in hex, with or without 0x, and may be readable by a group', () => {
    const plain = 'Ab'.repeat(32);
    for (const text of [plain, `0x${plain}`, `${plain}\n`]) {
      expect(readChainKey(write(text))).toBe(`0x${plain.toLowerCase()}`);
    }
    expect(readChainKey(write(plain, 0o440))).toBe(`0x${plain.toLowerCase()}`);
  });

  it('that others can read or write, that is missing, or that holds something else is refused without its content', () => {
    const secret = 'c0ffee'.repeat(12).slice(0, 64);
    const messages: string[] = [];
    const refusal = (path: string): unknown => {
      try {
        return readChainKey(path);
      } catch (error) {
        messages.push(String((error as Error).stack));
        return (error as GatewayError).code;
      }
    };
    for (const mode of [0o644, 0o620, 0o604]) expect(refusal(write(secret, mode))).toBe('config_invalid');
    for (const text of [
      '',
      secret.slice(1),
      `${secret}00`,
      `0x0x${secret}`,
      `${secret} ${secret}`,
      'z'.repeat(64),
      secret.repeat(9),
    ])
      expect(refusal(write(text)), text).toBe('config_invalid');
    expect(refusal(join(home, 'nothing'))).toBe('config_invalid');
    expect(refusal(home)).toBe('config_invalid');
    expect(messages.join('\n')).not.toContain('c0ffeec0ffee');
  });

  it('needs a chain by URL', () => {
    expect(() => loadConfig({ ASSENT_HOME: home, ASSENT_CHAIN_KEY_FILE: '/nowhere' })).toThrow(
      'ASSENT_CHAIN_URL',
    );
  });
});
