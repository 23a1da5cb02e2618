// Two gateways as processes on one PostgreSQL database behind one proxy: what a person, a partner and an officer see
// there, and that a rolling restart costs nobody an answer.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RpcServer, serveRpc } from '../../gateway/chain/rpc-server.ts';
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { registerPartner } from '../../gateway/oauth/partners.ts';
import { addStaff, invite } from '../../gateway/operations/accounts.ts';
import { person as personTable, source as sourceTable } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { type FreeEvm, startFreeEvm } from '../chain/free-evm.ts';
import { submitterKey } from '../chain/rig.ts';
import { Browser, redirectUri } from '../oauth/world.ts';
import { freePort, killChildren, startGateway, type GatewayProcess } from '../support/gateway-process.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import {
  beginAuthorization,
  connectPartner,
  finishAuthorization,
  readPersonData,
} from '../support/partner-client.ts';
import { addEvent } from '../support/core.ts';
import { dropDatabases, newDatabase } from '../support/postgres.ts';
import { openRoundRobin, type RoundRobin } from '../support/round-robin.ts';

const parent = mkdtempSync(join(tmpdir(), 'assent-behind-proxy-'));
const scope = 'browsing.recommendation:read';
const password = 'a long password for everybody';

describeOnPostgres('two gateways behind one proxy', () => {
  let evm: FreeEvm;
  let rpc: RpcServer;
  let proxy: RoundRobin;
  let ports: [number, number];
  let environment: Record<string, string>;
  let invitation: string;
  let clientSecret: string;
  const gateways: GatewayProcess[] = [];
  let callData: () => Promise<Response>;
  const person = new Browser();

  const homeOf = (at: number): string => join(parent, `home-${at}`);
  const start = (at: number): Promise<GatewayProcess> =>
    startGateway(homeOf(at), { environment: { ...environment, PORT: String(ports[at]) } });

  beforeAll(async () => {
    evm = await startFreeEvm({ mineAtOnce: true });
    rpc = await serveRpc(evm.provider, 0);
    writeFileSync(join(parent, 'payer.key'), `${submitterKey}\n`, { mode: 0o600 });
    const proxyPort = await freePort();
    ports = [await freePort(), await freePort()];
    environment = {
      ASSENT_STORE: await newDatabase(),
      ASSENT_EMPTY: '1',
      ASSENT_PUBLIC_URL: `http://127.0.0.1:${proxyPort}`,
      ASSENT_ORIGIN: 'two.example/log',
      ASSENT_TRUST_PROXY: '1',
      ASSENT_DRAIN_SECONDS: '2',
      ASSENT_STOP_SECONDS: '10',
      ASSENT_CHAIN_URL: rpc.url,
      ASSENT_CHAIN_KEY_FILE: join(parent, 'payer.key'),
      ASSENT_CHAIN_FINALITY: '64',
    };
    await prepare();
    mkdirSync(homeOf(1));
    cpSync(join(homeOf(0), 'keys'), join(homeOf(1), 'keys'), { recursive: true });
    gateways.push(...(await Promise.all([start(0), start(1)])));
    proxy = await openRoundRobin({ ports, port: proxyPort, checkEveryMs: 200 });
  });
  afterAll(async () => {
    await proxy?.close();
    killChildren();
    await rpc?.close();
    await evm?.close();
    await dropDatabases();
    rmSync(parent, { recursive: true, force: true });
  });

  /** What an operator does by commands: a person with a row and an invitation, an officer, a partner. */
  async function prepare(): Promise<void> {
    const config = loadConfig({ ...environment, ASSENT_HOME: homeOf(0) });
    const core = await openCore(config, realSystem);
    const nowMs = core.system.clock.nowMs();
    await core.store.write(async (tx) => {
      await tx.db
        .insert(personTable)
        .values({ id: 'ann', reference: 'shop:ann', status: 'active', createdMs: nowMs });
      await core.keyring.create(tx, 'person:ann');
      const source = { id: 'test', name: 'test', legalBasis: 'contract', importedMs: nowMs };
      await tx.db.insert(sourceTable).values({ ...source, accepted: 1, rejected: 0 });
      await addEvent(tx, 'ann', 'tea-pot', nowMs);
      const shop = { id: 'shop', name: 'Shop', redirectUris: [redirectUri], scopes: [scope] };
      ({ clientSecret } = await registerPartner(tx, shop, core.system.random, nowMs));
    });
    await addStaff(core.operations, 'operator', { userName: 'olga', role: 'officer', password });
    invitation = (await invite(core.operations, 'operator', 'shop:ann')).value;
    await core.close();
  }

  const fieldOf = (text: string, name: string): string =>
    new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(text)?.[1] ?? '';
  const textAt = async (browser: Browser, path: string): Promise<string> => {
    const { response } = await browser.open(proxy.url + path);
    expect([path, response.status]).toEqual([path, 200]);
    return response.text();
  };

  it('keep one session: its pages and forms hold at whichever is asked next', async () => {
    const page = await textAt(person, `/enrol?code=${invitation}`);
    const form = { _csrf: fieldOf(page, '_csrf'), code: invitation, name: 'ann', password };
    const { response, url } = await person.open(`${proxy.url}/enrol`, new URLSearchParams(form));
    expect([response.status, url.pathname]).toEqual([200, '/me']);
    const before = proxy.answers.length;
    for (let times = 0; times < 2; times++)
      for (const path of ['/me', '/me/switches', '/me/activity', '/me/data', '/me/partners'])
        await textAt(person, path);
    const pages = proxy.answers.slice(before);
    expect(ports.map((port) => pages.filter((one) => one === port).length)).toEqual([5, 5]);
    // Without the form's token neither of them does anything.
    for (let times = 0; times < 2; times++) {
      const forged = await person.open(`${proxy.url}/me/switches`, new URLSearchParams({ to: 'on' }));
      expect(forged.response.status).toBe(403);
    }
  });

  it('refuse a partner on the very next call after a switch went off at the other one', async () => {
    const client = { issuer: `${proxy.url}/oidc`, clientId: 'shop', clientSecret, redirectUri, dpop: true };
    const shop = await connectPartner(client);
    const pending = await beginAuthorization(shop, [scope]);
    const page = await person.open(pending.url);
    const text = await page.response.text();
    const allow = { _csrf: fieldOf(text, '_csrf'), notice: fieldOf(text, 'notice'), answer: 'allow', scope };
    const action = /action="([^"]*\/oauth\/interaction[^"]*)"/.exec(text)?.[1] ?? '';
    const target = new URL(action.replaceAll('&amp;', '&'), page.url);
    const { callback } = await person.open(target, new URLSearchParams(allow));
    const tokens = await finishAuthorization(shop, pending, callback ?? new URL('http://nowhere.example'));
    expect(tokens.tokenType).toBe('dpop');
    callData = () => readPersonData(shop, tokens, proxy.url, 'browsing', 'recommendation');
    let turnedAt = 0;
    const call = async (): Promise<number> => {
      // Not to the one that turned it.
      while (proxy.answers.at(-1) !== turnedAt) await textAt(person, '/verify');
      const { status } = await callData();
      expect(proxy.answers.at(-1)).not.toBe(turnedAt);
      return status;
    };
    const turn = async (to: 'on' | 'off'): Promise<void> => {
      const shown = await textAt(person, '/me/switches');
      const forms = [...shown.matchAll(/<form[^]*?<\/form>/g)].map(([text]) => text);
      const own = forms.find((text) => text.includes('partner:shop') && text.includes('name="notice"'));
      const one = { category: 'browsing', purpose: 'recommendation', recipient: 'partner:shop', to };
      const form = new URLSearchParams({
        _csrf: fieldOf(shown, '_csrf'),
        ...one,
        notice: fieldOf(own ?? '', 'notice'),
      });
      const before = proxy.answers.length;
      expect((await person.open(`${proxy.url}/me/switches`, form)).response.status).toBe(200);
      turnedAt = proxy.answers[before] ?? 0;
    };
    expect((await callData()).status).toBe(200);
    const turnedBy = new Set<number>();
    for (let times = 0; times < 4; times++) {
      await turn('off');
      turnedBy.add(turnedAt);
      expect(await call()).toBe(403);
      await turn('on');
      turnedBy.add(turnedAt);
      expect(await call()).toBe(200);
      // The next round begins at the other one.
      if (times % 2 === 0) await textAt(person, '/verify');
    }
    expect(turnedBy).toEqual(new Set(ports));
  });

  it('show an officer one log', async () => {
    const olga = new Browser();
    const page = await textAt(olga, '/staff/sign-in');
    const form = new URLSearchParams({ _csrf: fieldOf(page, '_csrf'), name: 'olga', password });
    expect((await olga.open(`${proxy.url}/staff/sign-in`, form)).url.pathname).toBe('/officer');
    for (let times = 0; times < 2; times++)
      for (const path of ['/officer', '/officer/entries?outcome=refused', '/officer/anchors'])
        await textAt(olga, path);
  });

  it('are restarted one after the other under load, and every call is answered', async () => {
    const seen = new Map<string, number>();
    let isOver = false;
    const caller = async (): Promise<void> => {
      while (!isOver) {
        const what = await callData().then(
          async (answer) => `${answer.status} ${(await answer.arrayBuffer()).byteLength > 0}`,
          (error: unknown) => String((error as Error).cause ?? error),
        );
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
    };
    const load = Promise.all([caller(), caller(), caller(), caller()]);
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await new Promise((done) => setTimeout(done, 50));
    };
    for (const at of [0, 1]) {
      const ending = gateways[at]?.stop('SIGTERM');
      await until(() => !proxy.ready().includes(ports[at] ?? 0));
      expect(await ending).toMatchObject({ code: 0, err: expect.not.stringContaining('cut:') });
      expect(proxy.ready()).toEqual([ports[1 - at]]);
      gateways[at] = await start(at);
      await until(() => proxy.ready().length === 2);
    }
    isOver = true;
    await load;
    expect([...seen.keys()]).toEqual(['200 true']);
    expect(seen.get('200 true')).toBeGreaterThan(50);
  }, 150_000);
});
