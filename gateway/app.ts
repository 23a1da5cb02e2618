// The application: every plugin and route by name, in the order a request meets them. Does not listen.
import rateLimit from '@fastify/rate-limit';
import fastify, {
  LogController,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Prover } from './audit/proof.ts';
import type { Publisher } from './audit/publish.ts';
import type { Config } from './config.ts';
import type { Gate } from './gate.ts';
import { auditorRoutes } from './http/auditor.ts';
import { harden } from './http/hardening.ts';
import { partnerRoutes, type PartnerRoutes } from './http/partner.ts';
import { knownMethods, refuseUnread } from './http/unread.ts';
import { asGatewayError, describeCause, sendProblem } from './http/problem.ts';
import { createSharedLimits, type SharedLimits } from './http/rate-limits.ts';
import { countRejected, type RejectedCounter } from './http/rejected.ts';
import { countTraffic, type Traffic } from './http/traffic.ts';
import { GatewayError } from './errors.ts';

export interface AppParts extends PartnerRoutes {
  readonly gate: Gate;
  readonly config: Config;
  readonly prover: Prover;
  readonly publisher: Publisher;
  /** OAuth, portal, demo, health and metrics, each a function that registers its own routes. */
  readonly surfaces: readonly ((app: FastifyInstance, traffic: Traffic) => Promise<void> | void)[];
  /** What a browser is shown at an address that does not exist; a program gets JSON. */
  readonly unknownPage?: (request: FastifyRequest, reply: FastifyReply) => FastifyReply;
  /** Whether it was told to stop; never where nothing is said. */
  readonly isDraining?: () => boolean;
  readonly logLevel: string;
  /** Where log lines go; standard output where nothing is said. */
  readonly logTo?: { write(line: string): void };
}

export interface App {
  readonly fastify: FastifyInstance;
  readonly rejected: RejectedCounter;
  readonly traffic: Traffic;
}

export async function buildApp(parts: AppParts): Promise<App> {
  const { config } = parts;
  const app = fastify({
    logger: {
      level: parts.logLevel,
      ...(parts.logTo === undefined ? {} : { stream: parts.logTo }),
      // Never the URL, a header or a message: they may carry tokens, queries or rows.
      serializers: {
        req: ({ method, routeOptions }) => ({ method, route: routeOptions?.url }),
        err: describeCause,
      },
    },
    logController: new LogController({ disableRequestLogging: true }),
    // What Node refuses before there is a request, and addresses that cannot be read.
    clientErrorHandler: (error, socket) => refuseUnread(error, socket, config.publicUrl),
    frameworkErrors: (error, request, reply) =>
      void sendProblem(request, reply, asGatewayError(error), config.publicUrl),
    bodyLimit: config.limits.bodyBytes,
    requestTimeout: config.limits.requestTimeoutMs,
    connectionTimeout: config.limits.requestTimeoutMs,
    // Only whom the proxy names, not what a client told the proxy: that stands to the left of it.
    trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],
    // What still arrives on a connection with an answer on its way is answered as well, then the connection ends.
    return503OnClosing: false,
    // Nothing is coerced or dropped in silence: a wrong type or an unknown field is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
  });
  app.setErrorHandler((error, request, reply) =>
    sendProblem(request, reply, asGatewayError(error), config.publicUrl),
  );
  // Fastify would read plain text as well; nothing here is sent as that.
  app.removeContentTypeParser('text/plain');
  const methods = knownMethods(app);
  const rejected = countRejected(app, parts.gate);
  const traffic = countTraffic(app, parts.isDraining ?? (() => false));
  harden(app);
  const refuseUnknown = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const allowed = methods.allowed(request.url);
    const isBrowser = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
    if (allowed.length === 0 && isBrowser && parts.unknownPage !== undefined)
      return parts.unknownPage(request, reply);
    if (allowed.length === 0)
      return sendProblem(request, reply, new GatewayError('not_found'), config.publicUrl);
    void reply.header('allow', allowed.join(', '));
    return sendProblem(request, reply, new GatewayError('method_not_allowed'), config.publicUrl);
  };
  const isLimited = config.limits.requestsPerMinute > 0;
  const shared = await sharedLimits(parts);
  if (shared !== undefined) app.addHook('onClose', () => shared.close());
  await app.register(rateLimit, {
    ...(shared === undefined ? {} : { store: shared.store }),
    // Routes with a limit of their own (passwords, invitations) keep it even where the general one is off.
    global: isLimited,
    max: isLimited ? config.limits.requestsPerMinute : Number.MAX_SAFE_INTEGER,
    timeWindow: 60_000,
    errorResponseBuilder: () => new GatewayError('too_many_requests'),
  });
  app.setNotFoundHandler(isLimited ? { preHandler: app.rateLimit() } : {}, refuseUnknown);
  await app.register(async (v1) => partnerRoutes(v1, parts), { prefix: '/v1' });
  await app.register(async (log) => auditorRoutes(log, parts), { prefix: '/log' });
  for (const surface of parts.surfaces) await app.register(async (scope) => surface(scope, traffic));
  return { fastify: app, rejected, traffic };
}

/** Several gateways on one database count together; one on a file of its own counts in memory. */
async function sharedLimits({ config, parts }: AppParts): Promise<SharedLimits | undefined> {
  if (config.postgresUrl === undefined) return undefined;
  const { openRates } = await import('./store/rates.ts');
  return createSharedLimits({
    rates: openRates(config.postgresUrl()),
    // One of the keys that every gateway of a log has.
    secret: parts.boundingKey,
    nowMs: () => parts.system.clock.nowMs(),
  });
}
