// Figures for Prometheus: their format, what they count, whom they name (nobody) and who may read them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { expose } from '../../gateway/http/exposition.ts';
import { loadConfig, type Config } from '../../gateway/config.ts';
import { closeCores } from '../support/core.ts';
import { openService, problemIn, type Service } from './service.ts';

const path = '/v1/data/browsing?purpose=recommendation';

interface Read {
  readonly types: Map<string, string>;
  /** `name{labels}` → value. */
  readonly values: Map<string, number>;
}

/** Reads the text format strictly: every line is a comment or a sample, every sample has its family before it. */
function readExposition(text: string): Read {
  expect(text.endsWith('\n')).toBe(true);
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, family = '', type = ''] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (family !== '') {
      expect(types.has(family)).toBe(false);
      types.set(family, type);
      continue;
    }
    if (/^# HELP [a-z_:][a-z0-9_:]* \S/.test(line)) continue;
    const [, name = '', labels = '', value = ''] =
      /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(line) ?? [];
    expect({ line, isKnown: types.has(name) || types.has(name.replace(/_(bucket|sum|count)$/, '')) }).toEqual(
      {
        line,
        isKnown: true,
      },
    );
    expect(values.has(name + labels)).toBe(false);
    values.set(name + labels, value === '+Inf' ? Infinity : Number(value));
    expect(values.get(name + labels)).not.toBeNaN();
  }
  return { types, values };
}

async function scrape(service: Service): Promise<Read & { text: string }> {
  const response = await service.call('/metrics', { authorization: null });
  expect([
    response.status,
    response.headers.get('content-type'),
    response.headers.get('cache-control'),
  ]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8', 'no-store']);
  const text = await response.text();
  return { ...readExposition(text), text };
}

describe('/metrics', () => {
  let service: Service;
  beforeAll(async () => {
    service = await openService({ limits: { requestsPerMinute: 6 } });
  });
  afterAll(async () => {
    await service.close();
    await closeCores();
  });

  it('counts requests by pattern, decisions, entries, batches and how far the log is signed', async () => {
    const before = await scrape(service);
    expect((await service.call(path)).status).toBe(200);
    expect((await service.call('/v1/data/profile?purpose=recommendation')).status).toBe(403);
    expect((await service.call('/no/such/address', { authorization: null })).status).toBe(404);
    await service.core.publisher.publish();
    const { values, types } = await scrape(service);
    const grew = (name: string): number => (values.get(name) ?? 0) - (before.values.get(name) ?? 0);
    const route = 'method="GET",route="/v1/data/:category"';
    expect(grew(`assent_http_requests_total{${route},status="2xx"}`)).toBe(1);
    expect(grew(`assent_http_requests_total{${route},status="4xx"}`)).toBe(1);
    expect(grew('assent_http_requests_total{method="any",route="unmatched",status="4xx"}')).toBe(1);
    expect(grew(`assent_http_request_duration_seconds_count{${route}}`)).toBe(2);
    expect(values.get(`assent_http_request_duration_seconds_bucket{${route},le="+Inf"}`)).toBe(2);
    expect(values.get(`assent_http_request_duration_seconds_sum{${route}}`)).toBeGreaterThan(0);
    expect(grew('assent_decisions_total{outcome="allowed"}')).toBe(1);
    expect(grew('assent_decisions_total{outcome="refused"}')).toBe(1);
    expect(grew('assent_entries_total{kind="used",outcome="allowed"}')).toBe(1);
    expect(grew('assent_store_works_total')).toBeGreaterThanOrEqual(2);
    const size = service.core.log.durableSize();
    expect(values.get('assent_log_durable_entries')).toBe(size);
    expect(values.get('assent_checkpoint_size')).toBe(size);
    expect(values.get('assent_checkpoint_age_seconds')).toBeGreaterThanOrEqual(0);
    for (const name of [
      'assent_schema_version',
      'assent_draining',
      'assent_store_waiting',
      'assent_store_wait_seconds_total',
      'assent_witnessed_size',
      'assent_anchored_size',
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
    ])
      expect([name, values.has(name)]).toEqual([name, true]);
    expect(types.get('assent_http_request_duration_seconds')).toBe('histogram');
  });

  it('has histograms whose buckets only grow, up to the count', async () => {
    const { values } = await scrape(service);
    const series = new Map<string, number[]>();
    for (const [name, value] of values) {
      const [, labels] = /_bucket\{(.*),le="[^"]+"\}$/.exec(name) ?? [];
      if (labels !== undefined) series.set(labels, [...(series.get(labels) ?? []), value]);
    }
    expect(series.size).toBeGreaterThan(1);
    for (const [labels, buckets] of series) {
      expect(buckets).toEqual(buckets.toSorted((one, other) => one - other));
      expect(buckets.at(-1)).toBe(values.get(`assent_http_request_duration_seconds_count{${labels}}`));
    }
  });

  it('names no person, no partner, no token and no address that was asked for', async () => {
    const { granted } = service;
    await service.call(`/person/${granted.person}?secret=abc`, { authorization: null });
    const { text } = await scrape(service);
    for (const word of [granted.person, granted.partner, granted.token, 'secret', 'item-', '/person/'])
      expect([word, text.includes(word)]).toEqual([word, false]);
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label));
    expect([...labels].filter((label) => !['method', 'route', 'status', 'le', 'outcome', 'kind', 'state', 'version', 'node'].includes(label ?? ''))).toEqual([]); // prettier-ignore
  });

  it('counts requests that the limit refuses, and is itself under no limit', async () => {
    const statuses: number[] = [];
    for (let asked = 0; asked < 8; asked++)
      statuses.push((await service.call('/log/trust.json', { authorization: null })).status);
    expect(statuses.at(-1)).toBe(429);
    const refused = statuses.filter((status) => status === 429).length;
    expect((await scrape(service)).values.get('assent_http_rate_limited_total')).toBeGreaterThanOrEqual(
      refused,
    );
  });

  it('leaves out what the store would have said while it is away, and says so', async () => {
    const { store } = service.core;
    const read = store.read.bind(store);
    store.read = () => Promise.reject(new Error('away'));
    try {
      const { values } = await scrape(service);
      expect(values.get('assent_store_answers')).toBe(0);
      expect(values.has('assent_checkpoint_size')).toBe(false);
      expect(values.has('process_resident_memory_bytes')).toBe(true);
    } finally {
      store.read = read;
    }
    expect((await scrape(service)).values.get('assent_store_answers')).toBe(1);
  });

  it.each([
    ['a proxy that says for whom it asks', { 'x-forwarded-for': '203.0.113.7' }],
    ['a proxy that says what it is', { via: '1.1 proxy' }],
  ])('is not there for %s', async (_who, headers) => {
    await problemIn(await service.call('/metrics', { authorization: null, headers }), 404, 'not_found');
  });

  it('is not there for another name of this machine, as a proxy asks for or a page with a rebound name', async () => {
    const answer = await service.app.fastify.inject({
      url: '/metrics',
      headers: { host: 'gateway.example' },
    });
    expect(answer.statusCode).toBe(404);
    const own = await service.app.fastify.inject({ url: '/metrics', headers: { host: 'localhost:8080' } });
    expect(own.statusCode).toBe(200);
    const elsewhere = await service.app.fastify.inject({
      url: '/metrics',
      remoteAddress: '203.0.113.7',
      headers: { host: 'localhost:8080' },
    });
    expect(elsewhere.statusCode).toBe(404);
  });
});

describe('ASSENT_METRICS', () => {
  const open = async (metrics: Config['metrics']): Promise<number[]> => {
    const service = await openService({ limits: { requestsPerMinute: 0 }, metrics });
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await service.call('/metrics', { authorization: null, headers })).status;
    const statuses = [await ask({}), await ask({ 'x-forwarded-for': '203.0.113.7' })];
    await service.close();
    await closeCores();
    return statuses;
  };

  it('public answers everybody, off answers nobody', async () => {
    expect(await open('public')).toEqual([200, 200]);
    expect(await open('off')).toEqual([404, 404]);
  });

  it('is loopback where nothing is said, and refused when it is another word', () => {
    expect(loadConfig({}).metrics).toBe('loopback');
    expect(loadConfig({ ASSENT_METRICS: 'public' }).metrics).toBe('public');
    expect(() => loadConfig({ ASSENT_METRICS: 'everyone' })).toThrow('ASSENT_METRICS must be');
  });
});

describe('the text format', () => {
  it('escapes what a label may hold, so that it reads back as one label', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const line = expose([
          { name: 'a', type: 'gauge', help: 'h', samples: [{ labels: { label: text }, value: 1 }] },
        ]);
        const [, quoted = ''] = /^a\{label="(.*)"\} 1$/m.exec(line.split('\n').slice(2).join('\n')) ?? [];
        const back = quoted.replace(/\\(.)/g, (_all, one: string) => (one === 'n' ? '\n' : one));
        expect(back).toBe(text);
      }),
    );
  });

  it('leaves out a family without a sample, and writes numbers as Prometheus reads them', () => {
    expect(expose([{ name: 'none', type: 'gauge', help: 'h', samples: [] }])).toBe('');
    expect(
      expose([
        {
          name: 'n',
          type: 'gauge',
          help: 'a\nb\\',
          samples: [{ value: Infinity }, { suffix: '_sum', value: 1e-7 }],
        },
      ]),
    ).toBe('# HELP n a\\nb\\\\\n# TYPE n gauge\nn +Inf\nn_sum 1e-7\n');
  });
});
