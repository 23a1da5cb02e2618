// Whose word counts for who a client is: behind a proxy the limits on requests follow the address the proxy gives.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp, type App } from '../../gateway/app.ts';
import { loadConfig } from '../../gateway/config.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { closeCores, openTestCore } from '../support/core.ts';

/** The application with this setting, as a client at `from` reaches it; the address it took the client for. */
async function open(setting: string | undefined) {
  const { trustedProxies } = loadConfig(setting === undefined ? {} : { ASSENT_TRUST_PROXY: setting });
  const core = await openTestCore();
  const { gate, prover, publisher, operations } = core;
  const app: App = await buildApp({
    parts: operations,
    recommender: createRecommender(operations),
    gate,
    prover,
    publisher,
    config: { ...core.config, trustedProxies },
    proveDpop: () => Promise.reject(new Error('nobody asks for this')),
    identify: () => Promise.reject(new Error('nobody asks for this')),
    logLevel: 'silent',
    surfaces: [(scope) => void scope.get('/who', (request) => request.ip)],
  });
  return {
    app,
    who: async (from: string, forwarded?: string): Promise<string> => {
      const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
      return (await app.fastify.inject({ url: '/who', remoteAddress: from, headers })).body;
    },
  };
}

describe('a gateway', () => {
  const opened: Awaited<ReturnType<typeof open>>[] = [];
  const settings = [undefined, '1', '10.0.0.7, 10.1.0.0/24,fd00::/8'];
  beforeAll(async () => {
    for (const setting of settings) opened.push(await open(setting));
  });
  afterAll(async () => {
    for (const { app } of opened) await app.fastify.close();
    await closeCores();
  });
  const at = (place: number): Awaited<ReturnType<typeof open>> => {
    const one = opened[place];
    if (one === undefined) throw new Error('there are three');
    return one;
  };

  it('without a proxy believes nobody', async () => {
    expect(await at(0).who('127.0.0.1', '203.0.113.9')).toBe('127.0.0.1');
    expect(await at(0).who('198.51.100.4', '203.0.113.9')).toBe('198.51.100.4');
  });

  it('behind a proxy on this machine believes that one, and no client that comes directly', async () => {
    expect(await at(1).who('127.0.0.1', '203.0.113.9')).toBe('203.0.113.9');
    expect(await at(1).who('::1', '203.0.113.9')).toBe('203.0.113.9');
    expect(await at(1).who('127.0.0.1')).toBe('127.0.0.1');
    expect(await at(1).who('198.51.100.4', '203.0.113.9')).toBe('198.51.100.4');
  });

  it('behind proxies elsewhere believes those that are named', async () => {
    for (const proxy of ['10.0.0.7', '10.1.0.200', 'fd12::1'])
      expect(await at(2).who(proxy, '203.0.113.9')).toBe('203.0.113.9');
    for (const stranger of ['127.0.0.1', '10.0.0.8', '10.1.1.1', 'fe80::1'])
      expect(await at(2).who(stranger, '203.0.113.9')).toBe(stranger);
    // One before the other: the client is who the first of them saw.
    expect(await at(2).who('10.0.0.7', '203.0.113.9, 10.1.0.3')).toBe('203.0.113.9');
  });

  it('takes what the proxy appended, not what the client said about itself', async () => {
    expect(await at(1).who('127.0.0.1', '192.0.2.77, 203.0.113.9')).toBe('203.0.113.9');
    expect(await at(2).who('10.0.0.7', '10.0.0.7, 192.0.2.77, 203.0.113.9')).toBe('203.0.113.9');
  });
});

describe('the proxies that are trusted', () => {
  it('are this machine, nobody, or addresses and networks', () => {
    const trusted = (value: string) => loadConfig({ ASSENT_TRUST_PROXY: value }).trustedProxies;
    expect(loadConfig({}).trustedProxies).toEqual([]);
    expect(trusted('0')).toEqual([]);
    expect(trusted('1')).toEqual(['loopback']);
    expect(trusted('10.0.0.7, fd00::/8')).toEqual(['10.0.0.7', 'fd00::/8']);
    for (const wrong of [
      'yes',
      'true',
      '2',
      'proxy.example',
      '10.0.0.0/0',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.7,',
      'fe80::1%eth0',
      '10.0.0.0/8/9',
      '0.0.0.0/1,128.0.0.0/1',
      '::/1,8000::/1',
      '::ffff:0:0/96',
      '::ffff:10.0.0.7',
    ])
      expect(() => trusted(wrong)).toThrow('ASSENT_TRUST_PROXY must be');
  });
});
