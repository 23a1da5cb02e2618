// `/metrics` for Prometheus: what this process did and how the log stands. Labels are route patterns, kinds of entries
// and states, all from closed lists: no figure is of a person or a partner.
import { desc } from 'drizzle-orm';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { AnchoringStatus } from '../audit/anchoring.ts';
import type { Log } from '../audit/log.ts';
import type { Publisher } from '../audit/publish.ts';
import type { Witnesses } from '../audit/witnesses.ts';
import { isLoopback, type Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { anchor as anchorTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import { expose, expositionType, type Family, type Sample } from './exposition.ts';
import type { Health } from './health.ts';
import { latencyBounds, type RouteFigures, type Traffic } from './traffic.ts';

export interface MetricsParts {
  readonly store: Pick<Store, 'read' | 'figures'>;
  readonly log: Pick<Log, 'durableSize' | 'appended'>;
  readonly publisher: Pick<Publisher, 'latest'>;
  readonly witnesses: Pick<Witnesses, 'witnessedSize' | 'states'>;
  readonly chain: () => AnchoringStatus['chain'];
  readonly health: Pick<Health, 'isDraining'>;
  /** Without it this process leads. */
  readonly leads?: () => boolean;
  readonly clock: Clock;
  /** Of the program, and how many migrations its database has. */
  readonly version: string;
  readonly schema: number;
}

/** Anchors that are looked at: one scrape must not read a table that grows for ever. */
const anchorLimit = 1000;
/** Without an answer of the store in this time, its figures are left out. */
const storeLimitMs = 2000;
const lagResolutionMs = 20;

/**
 * @param audience `loopback` answers only who asks this machine itself: not a proxy on it that passes others on, which
 *   shows by the headers it adds or by the name it was asked for
 */
export function metricsRoutes(
  app: FastifyInstance,
  parts: MetricsParts,
  traffic: Traffic,
  audience: Config['metrics'],
): void {
  if (audience === 'off') return;
  const lag = monitorEventLoopDelay({ resolution: lagResolutionMs });
  lag.enable();
  app.addHook('onClose', () => void lag.disable());

  app.get('/metrics', { config: { rateLimit: false } }, async (request, reply) => {
    if (audience === 'loopback' && !isFromThisMachine(request)) throw new GatewayError('not_found');
    const families = [
      ...processFamilies(parts, lag),
      ...trafficFamilies(traffic),
      ...entryFamilies(parts),
      ...storeFamilies(parts),
      ...(await logFamilies(parts)),
    ];
    return reply.type(expositionType).header('cache-control', 'no-store').send(expose(families));
  });
}

const passedOn = ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via'] as const;

function isFromThisMachine({ socket, headers }: FastifyRequest): boolean {
  // The connection's own address: `request.ip` believes a proxy's header where proxies are trusted.
  const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return isLoopback(from) && isLoopback(host) && passedOn.every((name) => headers[name] === undefined);
}

const one = (
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: number,
  labels?: Record<string, string>,
): Family => ({ name, type, help, samples: [labels === undefined ? { value } : { value, labels }] });

function processFamilies(
  { version, schema, health, leads }: MetricsParts,
  lag: ReturnType<typeof monitorEventLoopDelay>,
): Family[] {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  // The histogram holds the whole delay between two looks, the planned one included; none yet: not a number.
  const seconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - lagResolutionMs / 1000) : 0;
  const families = [
    one('assent_build_info', 'gauge', 'Version of the program and of Node; always 1.', 1, {
      version,
      node: process.versions.node,
    }),
    one('assent_schema_version', 'gauge', 'Migrations the database has.', schema),
    one('assent_leader', 'gauge', '1 for the process that signs and anchors.', Number(leads?.() ?? true)),
    one('assent_draining', 'gauge', '1 from the signal to stop on.', Number(health.isDraining())),
    one(
      'process_cpu_seconds_total',
      'counter',
      'User and system CPU time.',
      (cpu.user + cpu.system) / 1_000_000,
    ),
    one('process_resident_memory_bytes', 'gauge', 'Resident memory.', memory.rss),
    one('process_uptime_seconds', 'gauge', 'Time since the process began.', process.uptime()),
    one('nodejs_heap_size_used_bytes', 'gauge', 'JavaScript heap in use.', memory.heapUsed),
    one('nodejs_external_memory_bytes', 'gauge', 'Memory of buffers outside the heap.', memory.external),
    one(
      'nodejs_eventloop_lag_p50_seconds',
      'gauge',
      'Median lag since the last scrape.',
      seconds(lag.percentile(50)),
    ),
    one(
      'nodejs_eventloop_lag_p99_seconds',
      'gauge',
      '99th percentile of the lag since the last scrape.',
      seconds(lag.percentile(99)),
    ),
    one('nodejs_eventloop_lag_max_seconds', 'gauge', 'Longest lag since the last scrape.', seconds(lag.max)),
  ];
  lag.reset();
  return families;
}

function trafficFamilies(traffic: Traffic): Family[] {
  const used = traffic
    .routes()
    .filter(({ byStatusClass }) => byStatusClass.some((count) => count > 0))
    .map((figures) => ({ figures, labels: { method: figures.method, route: figures.route } }));
  return [
    {
      name: 'assent_http_requests_total',
      type: 'counter',
      help: 'Answers by route pattern and class of status.',
      samples: used.flatMap(({ figures, labels }) =>
        figures.byStatusClass.flatMap((value, place) =>
          value === 0 ? [] : [{ labels: { ...labels, status: `${place + 1}xx` }, value }],
        ),
      ),
    },
    {
      name: 'assent_http_request_duration_seconds',
      type: 'histogram',
      help: 'From the first byte read to the last byte sent, by route pattern.',
      samples: used.flatMap(({ figures, labels }) => histogram(figures, labels)),
    },
    one(
      'assent_http_in_flight',
      'gauge',
      'Connections with a request that is being answered.',
      traffic.inFlight(),
    ),
    one(
      'assent_http_rate_limited_total',
      'counter',
      'Requests refused by a limit on requests.',
      traffic.refusedByLimit(),
    ),
  ];
}

function histogram(figures: RouteFigures, labels: Record<string, string>): Sample[] {
  let upTo = 0;
  const buckets = figures.buckets.map((count, at): Sample => {
    upTo += count;
    const le = at < latencyBounds.length ? String(latencyBounds[at]) : '+Inf';
    return { suffix: '_bucket', labels: { ...labels, le }, value: upTo };
  });
  return [
    ...buckets,
    { suffix: '_sum', labels, value: figures.sumSeconds },
    { suffix: '_count', labels, value: upTo },
  ];
}

function entryFamilies({ log }: MetricsParts): Family[] {
  const counts = log.appended();
  const decisions = new Map<string, number>();
  for (const { outcome, count } of counts) {
    // Long work is noted when it begins: its end counts.
    if (outcome === 'noted') continue;
    decisions.set(outcome, (decisions.get(outcome) ?? 0) + count);
  }
  return [
    {
      name: 'assent_decisions_total',
      type: 'counter',
      help: 'Operations this process decided and recorded, by outcome.',
      samples: ['allowed', 'refused', 'failed'].map((outcome) => ({
        labels: { outcome },
        value: decisions.get(outcome) ?? 0,
      })),
    },
    {
      name: 'assent_entries_total',
      type: 'counter',
      help: 'Durable entries this process appended, by kind and outcome, without map heads.',
      samples: counts.map(({ kind, outcome, count }) => ({ labels: { kind, outcome }, value: count })),
    },
    one(
      'assent_log_durable_entries',
      'gauge',
      'Entries of the log this process knows to be durable.',
      log.durableSize(),
    ),
  ];
}

function storeFamilies({ store }: MetricsParts): Family[] {
  const { batches, works, largestBatch, waiting, waitedMs } = store.figures();
  return [
    one('assent_store_batches_total', 'counter', 'Transactions of the writer.', batches),
    one('assent_store_works_total', 'counter', 'Works in these transactions.', works),
    one('assent_store_largest_batch', 'gauge', 'Most works in one transaction so far.', largestBatch),
    one('assent_store_waiting', 'gauge', 'Works that wait for the writer now.', waiting),
    one(
      'assent_store_wait_seconds_total',
      'counter',
      'Time works waited for their transaction to begin.',
      waitedMs / 1000,
    ),
  ];
}

/** How far the log is signed, witnessed and anchored. A store that does not answer costs these figures alone. */
async function logFamilies(parts: MetricsParts): Promise<Family[]> {
  const { store, publisher, witnesses, clock, chain } = parts;
  const states = new Map<string, number>();
  for (const { outcome } of witnesses.states()) states.set(outcome, (states.get(outcome) ?? 0) + 1);
  const known: Family[] = [
    one(
      'assent_chain_answers',
      'gauge',
      '1 while the chain answered last time.',
      Number(chain() === 'answers'),
    ),
    {
      name: 'assent_witnesses',
      type: 'gauge',
      help: 'Witnesses by how the last request to them ended.',
      samples: [...states].map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
  ];
  const asked = async (): Promise<Family[]> => {
    const [head, witnessed, anchors] = await Promise.all([
      publisher.latest(),
      witnesses.witnessedSize(),
      store.read((reader) =>
        reader.db
          .select({ state: anchorTable.state, size: anchorTable.size, changedMs: anchorTable.changedMs })
          .from(anchorTable)
          .orderBy(desc(anchorTable.id))
          .limit(anchorLimit),
      ),
    ]);
    const ageSeconds = (atMs: number): number => Math.max(0, (clock.nowMs() - atMs) / 1000);
    const byState = new Map<string, number>();
    for (const { state } of anchors) byState.set(state, (byState.get(state) ?? 0) + 1);
    const largest = anchors
      .filter(({ state }) => state === 'mined' || state === 'final')
      .reduce<(typeof anchors)[number] | undefined>(
        (most, row) => (most === undefined || row.size > most.size ? row : most),
        undefined,
      );
    return [
      one('assent_checkpoint_size', 'gauge', 'Entries under the newest signed head.', head?.size ?? 0),
      ...(head === undefined
        ? []
        : [
            one(
              'assent_checkpoint_age_seconds',
              'gauge',
              'Since the newest head was signed; grows while nothing happens.',
              ageSeconds(head.signedMs),
            ),
          ]),
      one('assent_witnessed_size', 'gauge', 'Entries under the newest head with a quorum.', witnessed),
      one('assent_anchored_size', 'gauge', 'Entries under the newest mined anchor.', largest?.size ?? 0),
      ...(largest === undefined
        ? []
        : [
            one(
              'assent_anchor_age_seconds',
              'gauge',
              'Since that anchor last changed its state.',
              ageSeconds(largest.changedMs),
            ),
          ]),
      {
        name: 'assent_anchors',
        type: 'gauge',
        help: `Anchors by state, among the newest ${anchorLimit}.`,
        samples: [...byState].map(([state, value]) => ({ labels: { state }, value })),
      },
    ];
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(() => done(undefined), storeLimitMs);
  });
  const answer = await Promise.race([asked().catch(() => undefined), late]);
  clearTimeout(timer);
  return [
    ...known,
    one(
      'assent_store_answers',
      'gauge',
      '1 when the store answered this scrape.',
      Number(answer !== undefined),
    ),
    ...(answer ?? []),
  ];
}
