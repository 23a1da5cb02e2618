// Puts the authorization server under /oidc, and says where it is.
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import type { Config } from '../config.ts';
import { dataScopes } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { queryScope } from './partners.ts';
import { issuerOf, resourceOf } from './provider.ts';

export interface MountOptions {
  readonly provider: Provider;
  readonly config: Pick<Config, 'publicUrl' | 'limits'>;
}

const mountPath = '/oidc';
const headers = {
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  // The library's own pages: an error text, and forms that submit themselves (form_post, another person signing in).
  'content-security-policy':
    "default-src 'none'; script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
} as const;

/**
 * Fastify plugin. The library gets the raw request, after Fastify's hooks and before any body parser: its routes are
 * ordinary wildcard routes here, so that the rate limit and the hooks of the surrounding app hold for it too.
 */
export async function mountOauth(app: FastifyInstance, { provider, config }: MountOptions): Promise<void> {
  const publicUrl = new URL(config.publicUrl);
  provider.proxy = true;
  const handle = provider.callback();
  if (config.limits.requestsPerMinute > 0) {
    await app.register(rateLimit, {
      max: config.limits.requestsPerMinute,
      timeWindow: 60_000,
      errorResponseBuilder: () => new GatewayError('too_many_requests'),
    });
  }
  // The library reads bodies itself.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  function pass(request: FastifyRequest, reply: FastifyReply, url: string): void {
    const { raw } = request;
    if (Number(raw.headers['content-length'] ?? 0) > config.limits.bodyBytes) {
      void reply
        .code(413)
        .send({ error: 'invalid_request', error_description: 'the request body is too large' });
      return;
    }
    // What hooks have set so far, such as the rate limit's figures, goes out with the library's answer.
    for (const [name, value] of Object.entries({ ...reply.getHeaders(), ...headers })) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    void reply.hijack();
    // As Connect's mount does: the library finds its mount path from the difference.
    (raw as typeof raw & { originalUrl?: string }).originalUrl = mountPath + url;
    raw.url = url;
    // URLs and the cookies' Secure mark follow the configured address, whatever headers say.
    raw.headers.host = publicUrl.host;
    raw.headers['x-forwarded-proto'] = publicUrl.protocol.slice(0, -1);
    delete raw.headers['x-forwarded-host'];
    handle(raw, reply.raw).catch(() => reply.raw.destroy());
  }

  app.all(`${mountPath}/*`, (request, reply) =>
    pass(request, reply, (request.raw.url ?? '/').slice(mountPath.length)),
  );
  // RFC 8414 section 3.1: the well-known name goes before the issuer's path.
  app.get(`/.well-known/oauth-authorization-server${mountPath}`, (request, reply) =>
    pass(request, reply, '/.well-known/openid-configuration'),
  );
  app.get(`/.well-known/openid-configuration${mountPath}`, (request, reply) =>
    pass(request, reply, '/.well-known/openid-configuration'),
  );
  // RFC 9728: a partner that knows only the API finds its authorization server.
  app.get('/.well-known/oauth-protected-resource/v1', () => ({
    resource: resourceOf(config),
    authorization_servers: [issuerOf(config)],
    scopes_supported: [...dataScopes, queryScope],
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: ['ES256', 'Ed25519', 'EdDSA'],
  }));
}
