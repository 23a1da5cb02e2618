// An officer's check: real bundles of a real log, anchored on a real chain.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAnchorer } from '../../gateway/audit/anchor.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { bundleText, parseBundle, parseTrust, trustText, verifyBundle } from '../../gateway/audit/verify.ts';
import type { Chain } from '../../gateway/chain/chain.ts';
import { openLocalChain, type LocalChain } from '../../gateway/chain/local.ts';
import { verifyCommand } from '../../gateway/commands/verify.ts';
import { verifyWords } from '../../gateway/commands/verify-words.ts';
import type { FetchFile } from '../../gateway/audit/tiles.ts';
import { publicLogOf } from '../audit/liar.ts';
import { clock, entryOf, type Ledger, openLedger, origin } from '../audit/ledger.ts';
import { newFolder, openLog, openSubmitter, removeFolders, startChain, submitterKey } from '../chain/rig.ts';

let local: LocalChain;
let chain: Chain;
let ledger: Ledger;
/** Entry 2 under a head of 7, anchored at 5. */
let bundle: string;
let unanchored: string;
let trust: string;
let rpcUrl: string;

beforeAll(async () => {
  local = await startChain(await newFolder(), 0);
  rpcUrl = local.url!;
  const { contract } = await openLog(local, logIdOf(origin));
  chain = await openSubmitter(local, contract);
  ledger = await openLedger(await newFolder());
  await ledger.add(5);
  unanchored = await ledger.proverFor(chain).bundle(2, true);
  await anchorOf(ledger).anchor();
  await ledger.add(2);
  bundle = await ledger.proverFor(chain).bundle(2, true);
  trust = await ledger.proverFor(chain).trust();
});

afterAll(async () => {
  await ledger.close();
  await local.close();
  await removeFolders();
});

function anchorOf({ store, log, publisher }: Ledger) {
  return createAnchorer({ store, log, publisher, chain, origin, clock });
}

const verify = (
  bundleFile: string,
  trustFile = trust,
  more: { rpcUrl?: string; language?: 'en' | 'zh'; log?: FetchFile } = {},
) => verifyCommand({ bundleText: bundleFile, trustText: trustFile, timeoutMs: 3_000, ...more });

/** The bundle, sealed by nobody, with another anchor. */
function withAnchor(change: Partial<NonNullable<ReturnType<typeof parseBundle>['anchor']>>): string {
  const parsed = parseBundle(bundle);
  return bundleText({ ...parsed, anchor: { ...parsed.anchor!, ...change } });
}

/** The trust file with another chain. */
function trustIn(change: Partial<NonNullable<ReturnType<typeof parseTrust>['chain']>>): string {
  const parsed = parseTrust(trust);
  return trustText({ ...parsed, chain: { ...parsed.chain!, ...change } });
}

describe('a bundle of the log', () => {
  it('holds, and each level gets one verdict in plain words', async () => {
    const { exitCode, lines, json } = await verify(bundle);
    expect(exitCode).toBe(0);
    expect(lines.slice(0, 2)).toEqual(['The proof holds.', 'Entry 2, kind "used", 2026-03-01T12:00 UTC.']);
    expect(lines.filter((line) => /^ {2}\S.*(holds|not there|not checked)\. /.test(line))).toHaveLength(5);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}anchored: not checked\. /));
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}passed {2}inclusion: entry 2 lies under/));
    expect(json).toMatchObject({
      exitCode: 0,
      verdict: 'holds',
      firstFailing: null,
      entry: { index: 2, kind: 'used', at: '2026-03-01T12:00 UTC' },
      payload: { operation: 'read-data', row: 2 },
    });
  });

  it('with the chain asked, is anchored on a local chain, which is never final', async () => {
    const { exitCode, lines, json } = await verify(bundle, trust, { rpcUrl });
    expect(exitCode).toBe(0);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}anchored \(local chain\): holds\. /));
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}anchored, final: not there\. /));
    expect(lines).toContainEqual(
      expect.stringMatching(/^ {2}passed {2}anchor on chain: event: anchor 1 is in block/),
    );
    expect(json).toMatchObject({
      levels: { anchored: { state: 'holds' }, anchoredFinal: { state: 'absent' } },
    });
  });

  it('made before its anchor is not anchored yet (4), whether the chain is to be asked or not', async () => {
    const offline = await verify(unanchored);
    expect(offline).toMatchObject({ exitCode: 4, json: { verdict: 'holds' } });
    expect(offline.lines).toContain(verifyWords.en.notAnchored);
    const { exitCode, lines } = await verify(unanchored, trust, { rpcUrl });
    expect(exitCode).toBe(4);
    expect(lines).toContain(verifyWords.en.nothingToAsk);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}anchored: not there\. /));
  });

  it('gives no verdict (2) when the chain is to be asked and the trust file names none', async () => {
    const chainless = trustText({ ...parseTrust(trust), chain: null });
    expect(await verify(unanchored, chainless)).toMatchObject({ exitCode: 0 });
    expect(await verify(unanchored, chainless, { rpcUrl })).toMatchObject({ exitCode: 2 });
  });

  it('without its payload holds, and says so', async () => {
    const closed = await ledger.proverFor(chain).bundle(2, false);
    const { exitCode, lines } = await verify(closed);
    expect(exitCode).toBe(0);
    expect(lines).toContain(verifyWords.en.noPayload);
  });

  it('speaks Chinese', async () => {
    const { exitCode, lines } = await verify(bundle, trust, { language: 'zh' });
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe('凭证成立。');
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}已记录：成立。/));
  });
});

describe('a person’s bundle of the log', () => {
  it('holds for everybody in it and for nobody else, and goes on from an earlier one', async () => {
    const prover = ledger.proverFor(chain);
    const trustNow = await prover.trust();
    const first = await prover.person('p-1');
    // The anchor it carries is older than its head.
    expect(await verify(first, trustNow, { rpcUrl })).toMatchObject({
      exitCode: 4,
      json: { verdict: 'holds', levels: { anchored: { words: 'anchor-behind' } } },
    });
    // What the chain holds later covers it, and the public tiles show that both are one history.
    await anchorOf(ledger).anchor();
    const found = await verify(first, trustNow, { rpcUrl, log: publicLogOf(ledger) });
    expect(found.json).toMatchObject({
      exitCode: 0,
      firstFailing: null,
      levels: { anchored: { state: 'holds' }, anchoredFinal: { state: 'absent' } },
      subject: {
        kind: 'person',
        count: 3,
        entries: [{ payload: { operation: 'read-data', row: 1 } }, {}, {}],
      },
    });
    const { size } = found.json as { size: number };
    await ledger.add(4);
    const later = await prover.person('p-1', size);
    const more = await verifyCommand({ bundleText: later, trustText: trustNow, earlierText: first });
    expect(more.json).toMatchObject({
      exitCode: 4,
      subject: { earlier: { size, isCompared: true } },
    });
    const { subject } = more.json as { subject: { count: number; newCount: number } };
    expect(subject.newCount).toBeGreaterThan(0);
    const whole = (await verify(await prover.person('p-1'), trustNow)).json as typeof more.json;
    expect(whole).toMatchObject({ subject: { count: subject.count, newCount: subject.count } });
    const other = await prover.person('p-2');
    const swapped = await verifyCommand({ bundleText: later, trustText: trustNow, earlierText: other });
    expect(swapped).toMatchObject({ exitCode: 1, json: { firstFailing: 'earlier bundle' } });
  });
});

describe('a bundle that waits for its anchor', () => {
  it('is refused when the chain holds another history than the tiles and the bundle', async () => {
    const first = await ledger.proverFor(chain).person('p-1');
    await ledger.add(3);
    await anchorOf(ledger).anchor();
    const lying: FetchFile = async (path) => {
      const bytes = await publicLogOf(ledger)(path);
      return path === 'checkpoint' ? bytes : bytes.map((byte) => byte ^ 1);
    };
    const trustNow = await ledger.proverFor(chain).trust();
    expect(await verify(first, trustNow, { rpcUrl, log: lying })).toMatchObject({
      exitCode: 1,
      json: { firstFailing: 'anchor consistency' },
    });
    const another = trustText({
      ...parseTrust(trustNow),
      chain: { ...parseTrust(trustNow).chain!, codeHash: `0x${'12'.repeat(32)}` },
    });
    expect(await verify(first, another, { rpcUrl, log: publicLogOf(ledger) })).toMatchObject({
      exitCode: 1,
      json: { firstFailing: 'anchor on chain' },
    });
  });
});

describe('a false bundle', () => {
  it('with any byte changed does not hold, and the failing check is named', async () => {
    const bytes = Buffer.from(bundle);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (place, flip) => {
        const changed = Buffer.from(bytes);
        changed[place] = changed[place]! ^ flip;
        const result = await verifyCommand({ bundleText: changed, trustText: trust });
        const named = verifyBundle(changed, trust).firstFailing!;
        expect(result.exitCode).toBe(1);
        expect(result.json).toMatchObject({ verdict: 'does-not-hold', firstFailing: named });
        expect(result.json).not.toHaveProperty('payload');
        expect(result.lines[0]).toContain(`"${named}"`);
        expect(result.lines.at(-1)).toBe(`First failing check: ${named}`);
      }),
      { numRuns: 60 },
    );
  });

  it('with one digit of the leaf changed fails in the leaf’s own checks, not only in the seal', async () => {
    const parsed = parseBundle(bundle);
    const leaf = Buffer.from(parsed.entry.leaf, 'base64');
    leaf[20]! ^= 1;
    const changed = bundleText({ ...parsed, entry: { ...parsed.entry, leaf: leaf.toString('base64') } });
    const { exitCode, json, lines } = await verify(changed);
    expect(exitCode).toBe(1);
    expect(json).toMatchObject({ firstFailing: 'payload' });
    for (const name of ['payload', 'inclusion', 'seal']) {
      expect(lines).toContainEqual(expect.stringMatching(`^  FAILED  ${name}:`));
    }
  });

  it('fails without asking the chain: an unreachable one changes nothing about it', async () => {
    const { exitCode, json } = await verify(withAnchor({ seq: 9 }), trust, { rpcUrl: 'http://127.0.0.1:1' });
    expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'seal' } });
  });

  it.each(['', '{}', 'not a bundle', '{"format":"assent-bundle/v1"}\n', '\u0000'])(
    'that is no bundle (%j) does not hold, by its format',
    async (text) => {
      const { exitCode, json } = await verify(text);
      expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'format' } });
    },
  );

  it('brings no control characters to the terminal', async () => {
    const nasty = bundle.replace('ledger.example', String.raw`ledger\u001b[2J\u202eexample`);
    for (const [bundleFile, trustFile] of [
      [nasty, trust],
      [bundle, nasty],
      [nasty, nasty],
    ] as const) {
      const { exitCode, lines } = await verify(bundleFile, trustFile);
      expect(exitCode).toBe(1);
      expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });
});

describe('the trust file decides whom to believe', () => {
  it('one of another log does not hold', async () => {
    const text = trust.replaceAll(origin, 'other.example/log/1');
    const { exitCode, json } = await verify(bundle, text);
    expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'trust' } });
  });

  it('one that is damaged does not hold', async () => {
    for (const text of ['', trust.slice(0, -2), bundle]) {
      const { exitCode, json } = await verify(bundle, text);
      expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'trust' } });
    }
  });

  it('a log rebuilt with other keys fails against yesterday’s', async () => {
    const rebuilt = await openLedger(await newFolder(), 9);
    try {
      await rebuilt.add(7);
      const forged = await rebuilt.proverFor(undefined).bundle(2, true);
      expect(await verify(forged, await rebuilt.proverFor(undefined).trust())).toMatchObject({ exitCode: 0 });
      const { exitCode, json, lines } = await verify(forged);
      expect(exitCode).toBe(1);
      expect(json).toMatchObject({ firstFailing: 'checkpoint signature' });
      expect(lines).toContainEqual(expect.stringMatching('^  FAILED  seal:'));
    } finally {
      await rebuilt.close();
    }
  });

  it('a chain rebuilt with the same keys fails against yesterday’s genesis', async () => {
    const other = await openLocalChain({
      folder: await newFolder(),
      accountKeys: [submitterKey],
      initialDate: '2026-02-02T00:00:00.000Z',
      clock,
      port: 0,
    });
    try {
      const { exitCode, json, lines } = await verify(bundle, trust, { rpcUrl: other.url! });
      expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'anchor on chain' } });
      expect(lines).toContainEqual(expect.stringMatching(/FAILED {2}anchor on chain: genesis: /));
    } finally {
      await other.close();
    }
  });

  it('a chain that kept its names but lost the anchor fails too', async () => {
    const other = await startChain(await newFolder(), 0);
    try {
      await openLog(other, logIdOf(origin));
      const { exitCode, lines } = await verify(bundle, trust, { rpcUrl: other.url! });
      expect(exitCode).toBe(1);
      expect(lines).toContainEqual(expect.stringMatching(/FAILED {2}anchor on chain: transaction: /));
    } finally {
      await other.close();
    }
  });

  it('other code at the trusted address fails', async () => {
    const { exitCode, lines } = await verify(bundle, trustIn({ codeHash: `0x${'ab'.repeat(32)}` }), {
      rpcUrl,
    });
    expect(exitCode).toBe(1);
    expect(lines).toContainEqual(expect.stringMatching(/FAILED {2}anchor on chain: code: /));
  });

  it('another chain than the bundle names fails without any network', async () => {
    const { exitCode, json } = await verify(bundle, trustIn({ chainId: 1 }));
    expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'anchor identity' } });
  });

  it('a development node is not final whatever finality the file names', async () => {
    for (const finality of ['instant', 'finalized', 'safe', 'confirmations:1'] as const) {
      const { exitCode, json } = await verify(bundle, trustIn({ finality }), { rpcUrl });
      expect({ exitCode, json }).toMatchObject({
        exitCode: 0,
        json: { levels: { anchored: { words: 'anchored' }, anchoredFinal: { words: 'not-final-yet' } } },
      });
    }
  });
});

describe('on a chain that others run', () => {
  /** The chain over HTTP, named as a node of a real network, with some answers replaced. */
  async function serve(answers: Record<string, unknown>): Promise<{ url: string; close(): void }> {
    const replaced: Record<string, unknown> = { web3_clientVersion: 'besu/v26.1.0', ...answers };
    const server = createServer((request, response) => {
      void (async () => {
        const call = JSON.parse(Buffer.concat(await request.toArray()).toString()) as {
          id: number;
          method: string;
          params: unknown[];
        };
        const result = call.method in replaced ? replaced[call.method] : await local.provider.request(call);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, result }));
      })();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => server.close().closeAllConnections(),
    };
  }

  it('the last level holds once the block is final by the trust file’s rule, not before', async () => {
    const node = await serve({});
    try {
      for (const [finality, words] of [
        ['instant', 'anchored-final'],
        ['confirmations:1', 'anchored-final'],
        ['confirmations:1000', 'not-final-yet'],
        ['local', 'local-chain-never-final'],
      ] as const) {
        const { exitCode, json } = await verify(bundle, trustIn({ finality }), { rpcUrl: node.url });
        expect({ exitCode, json }).toMatchObject({
          exitCode: 0,
          json: { levels: { anchoredFinal: { words } } },
        });
      }
    } finally {
      node.close();
    }
  });

  it('a contract whose head is behind the anchor does not stand by it', async () => {
    const node = await serve({ eth_call: `0x${'00'.repeat(128)}` });
    try {
      const { exitCode, lines } = await verify(bundle, trust, { rpcUrl: node.url });
      expect(exitCode).toBe(1);
      expect(lines).toContainEqual(expect.stringMatching(/FAILED {2}anchor on chain: head: /));
    } finally {
      node.close();
    }
  });

  it('nonsense is no verdict', async () => {
    const node = await serve({ eth_getTransactionReceipt: 'receipt' });
    try {
      expect(await verify(bundle, trust, { rpcUrl: node.url })).toMatchObject({ exitCode: 2 });
    } finally {
      node.close();
    }
  });
});

describe('a claim about the chain that the operator sealed', () => {
  it.each([
    ['seq', { seq: 2 }],
    ['checkpointHash', { checkpointHash: Buffer.alloc(32, 7).toString('base64') }],
    ['transactionHash', { transactionHash: `0x${'d4'.repeat(32)}` }],
  ] as const)('with a false %s is found on the chain', async (_, change) => {
    const sealed = await ledger.sealed({ ...parseBundle(withAnchor(change)) });
    expect(await verify(sealed)).toMatchObject({ exitCode: 0 });
    const { exitCode, json } = await verify(sealed, trust, { rpcUrl });
    expect({ exitCode, json }).toMatchObject({ exitCode: 1, json: { firstFailing: 'anchor on chain' } });
  });
});

describe('without an answer there is no verdict', () => {
  it.each(['http://127.0.0.1:1', 'ftp://chain.example', 'nonsense'])('from %s', async (url) => {
    const { exitCode, lines, json } = await verify(bundle, trust, { rpcUrl: url });
    expect(exitCode).toBe(2);
    expect(lines[0]).toMatch(/could not be asked|not an http/);
    expect(json).toMatchObject({ exitCode: 2, verdict: 'none' });
  });
});

it('a further entry changes nothing about an old bundle', async () => {
  await ledger.store.write((tx) => ledger.log.append(tx, entryOf(99)));
  await anchorOf(ledger).anchor();
  expect(await verify(bundle, trust, { rpcUrl })).toMatchObject({ exitCode: 0 });
});
