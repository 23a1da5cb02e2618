// The application on a real port over a real database file, with its log lines kept for reading.
import { buildApp, type App } from '../../gateway/app.ts';
import type { Config } from '../../gateway/config.ts';
import { createHealth, healthRoutes, type Health } from '../../gateway/http/health.ts';
import { metricsRoutes } from '../../gateway/http/metrics.ts';
import { oauthSurface, type OauthSurface } from '../../gateway/oauth/surface.ts';
import { resourceOf } from '../../gateway/oauth/provider.ts';
import { addStaff, makeStaffToken, type StaffRole } from '../../gateway/operations/accounts.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { createPortal, portalRoutes } from '../../gateway/portal/surface.ts';
import {
  entriesOf,
  openTestCore,
  type ReadEntry,
  type TestCore,
  type TestCoreOptions,
} from '../support/core.ts';
import { grantedToken, type Granted } from '../support/granted-token.ts';

export interface Service {
  readonly core: TestCore;
  readonly app: App;
  readonly oauth: OauthSurface;
  readonly health: Health;
  readonly granted: Granted;
  readonly url: string;
  readonly port: number;
  /** What the application wrote to its log, one line of JSON each. */
  readonly logLines: string[];
  /** A call with this Authorization header; the partner's token where none is named. */
  call(path: string, request?: RequestInit & { authorization?: string | null }): Promise<Response>;
  staffToken(role: StaffRole): Promise<string>;
  /** A token the partner gets with its own secret. */
  partnerOwnToken(scope: string): Promise<string>;
  entriesAfter(count: number): Promise<ReadEntry[]>;
  close(): Promise<void>;
}

export const password = 'a long enough password';

export async function openService(
  options: TestCoreOptions & {
    readonly rows?: number;
    readonly metrics?: Config['metrics'];
    /** How long a part may take to be ready. */
    readonly readyLimitMs?: number;
  } = {},
): Promise<Service> {
  // The OAuth library reads the real clock for its tokens.
  const core = await openTestCore({ startMs: Date.now(), ...options });
  const oauth = oauthSurface(core);
  const granted = await grantedToken(core, oauth.provider, { events: options.rows ?? 3 });
  const logLines: string[] = [];
  const { operations, gate, config, prover, publisher } = core;
  const recommender = createRecommender(operations);
  const portal = createPortal(core, { recommender, oauth, isDemo: false });
  const chain = () => 'unasked' as const;
  const health = createHealth({
    ...core,
    chain,
    freshMs: 0,
    ...(options.readyLimitMs === undefined ? {} : { limitMs: options.readyLimitMs }),
  });
  const app = await buildApp({
    parts: operations,
    recommender,
    gate,
    config,
    prover,
    publisher,
    proveDpop: oauth.proveDpop,
    identify: oauth.identify,
    logLevel: 'info',
    logTo: { write: (line) => void logLines.push(line) },
    isDraining: () => health.isDraining(),
    surfaces: [
      (scope) => healthRoutes(scope, health),
      (scope, traffic) =>
        metricsRoutes(
          scope,
          { ...core, chain, health, version: 'test', schema: 2 },
          traffic,
          options.metrics ?? 'loopback',
        ),
      oauth.routes,
      (scope) => portalRoutes(scope, portal),
    ],
  });
  const url = await app.fastify.listen({ host: '127.0.0.1', port: 0 });
  return {
    core,
    app,
    oauth,
    health,
    granted,
    url,
    port: Number(new URL(url).port),
    logLines,
    call(path, { authorization = `Bearer ${granted.token}`, ...request } = {}) {
      const headers = new Headers(request.headers);
      if (authorization !== null) headers.set('authorization', authorization);
      return fetch(`${url}${path}`, { redirect: 'manual', ...request, headers });
    },
    async staffToken(role) {
      const userName = `${role}-${(await entriesOf(core)).length}`;
      await addStaff(operations, 'test', { userName, role, password });
      return (await makeStaffToken(operations, 'test', userName)).value;
    },
    async partnerOwnToken(scope) {
      const client = await oauth.provider.Client.find(granted.partner);
      const token = new oauth.provider.ClientCredentials({ client, scope } as never);
      token.resourceServer = new oauth.provider.ResourceServer(resourceOf(config), {
        scope,
        accessTokenFormat: 'opaque',
      });
      return token.save();
    },
    entriesAfter: async (count) => (await entriesOf(core)).slice(count),
    close: () => app.fastify.close(),
  };
}

/** The answer's body, after checking that it is a problem (RFC 9457) with this status and code. */
export async function problemIn(
  response: Response,
  status: number,
  code: string,
): Promise<Record<string, unknown>> {
  const text = await response.text();
  const seen = {
    status: response.status,
    type: response.headers.get('content-type')?.split(';')[0],
    code: parsed(text)['code'],
  };
  if (seen.status !== status || seen.type !== 'application/problem+json' || seen.code !== code)
    throw new Error(
      `wanted ${status} ${code} as a problem, got ${JSON.stringify(seen)}: ${text.slice(0, 300)}`,
    );
  const problem = parsed(text);
  for (const name of ['type', 'title'])
    if (typeof problem[name] !== 'string') throw new Error(`a problem has a ${name}`);
  if (problem['status'] !== status) throw new Error('the status is in the body too');
  return problem;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
