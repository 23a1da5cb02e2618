// The authorization server: oidc-provider, set up so that consent is asked, recorded and looked at, never assumed.
import { createHmac, hkdfSync } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { eq } from 'drizzle-orm';
import {
  errors,
  interactionPolicy,
  Provider,
  type Client,
  type ErrorOut,
  type Grant,
  type KoaContextWithOIDC,
  type ResourceServer,
} from 'oidc-provider';
import type { Config } from '../config.ts';
import { dataScopes } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { asGatewayError, retryAfterSeconds } from '../http/problem.ts';
import type { Gate } from '../gate.ts';
import type { Keys } from '../key-files.ts';
import type { Store } from '../store/store.ts';
import { oauthGrant, partner as partnerTable, person as personTable } from '../store/tables.ts';
import { newId, type System } from '../system.ts';
import { createAdapter } from './adapter.ts';
import { liveScopes } from './live-scopes.ts';
import { hashSecret, staffRequest } from '../operations/accounts.ts';
import { clientMetadata, queryScope, secretMatches } from './partners.ts';
import { recordHash } from './record.ts';
import { signingKey } from './signing-key.ts';

/** Seconds. An access token is looked up on every call, so its length only bounds how long a stolen one is of use. */
export const lifetimesSeconds = {
  authorizationCode: 60,
  accessToken: 30 * 60,
  clientCredentials: 10 * 60,
  idToken: 10 * 60,
  refreshToken: 30 * 86_400,
  grant: 90 * 86_400,
  interaction: 30 * 60,
  session: 60 * 60,
  initialAccessToken: 24 * 60 * 60,
} as const;

export interface OauthParts {
  readonly config: Pick<Config, 'publicUrl'>;
  readonly keys: Pick<Keys, 'cookie.key' | 'oidc.key'>;
  readonly store: Store;
  readonly gate: Gate;
  readonly system: System;
  /** Hears of failures of the server itself; what callers did wrong is not among them. */
  readonly onError?: (error: unknown) => void;
}

export function issuerOf(config: Pick<Config, 'publicUrl'>): string {
  return `${config.publicUrl}/oidc`;
}

/** The one resource tokens are for: the audience of every access token (RFC 8707). */
export function resourceOf(config: Pick<Config, 'publicUrl'>): string {
  return `${config.publicUrl}/v1`;
}

export function createProvider(parts: OauthParts): Provider {
  const { config, keys, store, system } = parts;
  const { clock } = system;
  const resource = resourceOf(config);
  const cookieKey = derived(keys['cookie.key'], 'assent/v1/oidc-cookies').toString('base64url');
  const subjectKey = derived(keys['oidc.key'], 'assent/v1/oidc-subjects');

  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  // The portal knows who is signed in. A session of our own that outlives it would let the next one at the same
  // browser answer for the last.
  policy.get('login')?.checks.add(
    new Check('each_time', 'sign-in is looked at every time', 'login_required', ({ oidc }) =>
      // No account: the person was erased meanwhile.
      oidc.result?.login === undefined || oidc.account === undefined
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT,
    ),
  );

  const provider: Provider = new Provider(issuerOf(config), {
    adapter: createAdapter({ store, system, registerClient: (metadata) => registerSelf(parts, metadata) }),
    jwks: { keys: [signingKey(keys['oidc.key'])] },
    cookies: {
      keys: [cookieKey],
      names: { session: 'assent_oidc', interaction: 'assent_interaction', resume: 'assent_resume' },
    },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'] },
    subjectTypes: ['pairwise'],
    pairwiseIdentifier: (_ctx, person, client) =>
      createHmac('sha256', subjectKey).update(`${client.clientId}\0${person}`).digest('base64url'),
    responseTypes: ['code'],
    pkce: { required: () => true },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    },
    extraClientMetadata: { properties: ['data_scopes', 'company'] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    clientBasedCORS: () => false,
    // No outgoing requests: no jwks_uri, no sector_identifier_uri.
    fetch: () => Promise.reject(new Error('outgoing requests are off')),
    clockTolerance: 5,
    rotateRefreshToken: true,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    ttl: {
      AuthorizationCode: lifetimesSeconds.authorizationCode,
      AccessToken: lifetimesSeconds.accessToken,
      ClientCredentials: lifetimesSeconds.clientCredentials,
      IdToken: lifetimesSeconds.idToken,
      RefreshToken: lifetimesSeconds.refreshToken,
      Grant: lifetimesSeconds.grant,
      Interaction: lifetimesSeconds.interaction,
      Session: lifetimesSeconds.session,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      registration: {
        enabled: true,
        initialAccessToken: true,
        idFactory: () => newId(system.random),
        secretFactory: () => Buffer.from(system.random.bytes(32)).toString('base64url'),
        issueRegistrationAccessToken: false,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, indicator, client) => resourceServer(ctx, indicator, client, resource),
      },
    },
    interactions: { policy, url: (_ctx, { uid }) => `/oauth/interaction/${uid}` },
    findAccount: async (_ctx, person) =>
      (await isActive(store, person))
        ? { accountId: person, claims: () => Promise.resolve({ sub: person }) }
        : undefined,
    loadExistingGrant: (ctx) => existingGrant(ctx, store, clock.nowMs()),
    renderError,
  });

  // Secrets of clients are stored as hashes, so the library's own comparison does not fit.
  provider.Client.prototype.compareClientSecret = function (this: Client, presented: string) {
    return secretMatches(this.clientSecret ?? '', presented);
  };

  // What an introspection answers is what the person allows now, not what the token was made with.
  provider.use(async (ctx, next) => {
    await next();
    const { oidc } = ctx as KoaContextWithOIDC;
    if (oidc?.route === 'introspection' && isActiveAnswer(ctx.body))
      ctx.body = await narrowed(ctx as KoaContextWithOIDC, ctx.body);
  });

  async function narrowed(ctx: KoaContextWithOIDC, answer: ActiveAnswer): Promise<object> {
    const token = ctx.oidc.entities.AccessToken ?? ctx.oidc.entities.RefreshToken;
    if (token?.accountId === undefined || token.clientId === undefined || token.grantId === undefined)
      return answer;
    const { accountId: person, clientId: partner, grantId } = token;
    const granted = new Set(ctx.oidc.entities.Grant?.getResourceScope(resource).split(' '));
    const asked = (answer.scope ?? '').split(' ').filter((scope) => granted.has(scope));
    const nowMs = clock.nowMs();
    const live = await store.read(async (reader) => {
      const [row] = await reader.db
        .select()
        .from(oauthGrant)
        .where(eq(oauthGrant.id, recordHash(grantId)));
      if (row === undefined || row.revokedMs !== null || row.expiresMs <= nowMs) return undefined;
      const allowed = row.scopes.split(' ');
      return liveScopes(
        reader,
        person,
        partner,
        asked.filter((scope) => allowed.includes(scope)),
        nowMs,
      );
    });
    if (live === undefined || live.length === 0) return { active: false };
    return { ...answer, scope: live.join(' ') };
  }

  // The library ends a grant when its partner gives it up, or uses a code or refresh token twice: evidence for the person.
  provider.on('grant.revoked', (ctx, grantId) => {
    noteRevoked(parts, recordHash(grantId), ctx.oidc.route).catch((error: unknown) => parts.onError?.(error));
  });
  // The initial access token is good for one registration.
  provider.on('registration_create.success', (ctx) => {
    (ctx as KoaContextWithOIDC).oidc.entities.InitialAccessToken?.destroy().catch((error: unknown) =>
      parts.onError?.(error),
    );
  });
  // Without a listener Koa writes errors, with all they carry, to the console.
  (provider as EventEmitter).on('error', (error: unknown) => parts.onError?.(error));
  provider.on('server_error', (ctx, error) => {
    parts.onError?.(error);
    // The library says 500 for whatever it does not know.
    if (asGatewayError(error).code !== 'store_unavailable') return;
    ctx.status = 503;
    ctx.set('retry-after', retryAfterSeconds);
  });
  return provider;
}

/** A secret with which one partner may register itself once (RFC 7591), within a day. */
export function issueInitialAccessToken(provider: Provider): Promise<string> {
  return new provider.InitialAccessToken({ expiresIn: lifetimesSeconds.initialAccessToken }).save();
}

interface ActiveAnswer {
  readonly active: true;
  readonly scope?: string;
}

function isActiveAnswer(body: unknown): body is ActiveAnswer {
  return typeof body === 'object' && body !== null && 'active' in body && body.active === true;
}

/** What the partner may ask of the one resource. An unknown or unregistered scope is an error, not silently dropped. */
function resourceServer(
  ctx: KoaContextWithOIDC,
  indicator: string,
  client: Client,
  resource: string,
): ResourceServer {
  if (indicator !== resource) throw new errors.InvalidTarget();
  const stored = client['data_scopes'];
  const registered = typeof stored === 'string' ? stored.split(' ') : [];
  const { oidc } = ctx;
  const asked = [...oidc.requestParamScopes];
  const isAlone = oidc.params?.['grant_type'] === 'client_credentials';
  for (const scope of asked) {
    const isKnown = dataScopes.includes(scope) || scope === queryScope;
    if (!isKnown && !isAlone && (scope === 'openid' || scope === 'offline_access')) continue;
    if (!isKnown) throw new errors.InvalidScope('unknown scope', scope);
    if (!registered.includes(scope))
      throw new errors.InvalidScope('scope not registered for this client', scope);
    if ((scope === queryScope) !== isAlone)
      throw new errors.InvalidScope(
        `${queryScope} is for client credentials, every other scope for people`,
        scope,
      );
  }
  const needsScope =
    isAlone || oidc.route === 'authorization' || oidc.route === 'pushed_authorization_request';
  if (needsScope && !asked.some((scope) => registered.includes(scope)))
    throw new errors.InvalidScope('ask for at least one data scope', oidc.params?.['scope'] as string);
  return {
    scope: registered.join(' '),
    audience: resource,
    accessTokenFormat: 'opaque',
    accessTokenTTL: isAlone ? lifetimesSeconds.clientCredentials : lifetimesSeconds.accessToken,
  };
}

/**
 * The grant this authorization rests on. An earlier grant spares the question only if it covers everything asked for
 * and every switch is still on; otherwise the person is asked.
 */
async function existingGrant(
  ctx: KoaContextWithOIDC,
  store: Store,
  nowMs: number,
): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const { client, session } = oidc;
  if (client === undefined) return undefined;
  const fresh = oidc.result?.consent?.grantId;
  if (fresh !== undefined) return oidc.provider.Grant.find(fresh);
  const earlier = session?.grantIdFor(client.clientId);
  if (earlier === undefined) return undefined;
  const grant = await oidc.provider.Grant.find(earlier);
  if (grant === undefined || grant.accountId !== session?.accountId) return undefined;
  const person = grant.accountId;
  const asked = [...oidc.requestParamScopes].filter((scope) => dataScopes.includes(scope));
  return store.read(async (reader) => {
    const [row] = await reader.db
      .select()
      .from(oauthGrant)
      .where(eq(oauthGrant.id, recordHash(earlier)));
    if (row === undefined || row.revokedMs !== null || row.expiresMs <= nowMs) return undefined;
    const covered = row.scopes.split(' ');
    if (!asked.every((scope) => covered.includes(scope))) return undefined;
    const live = await liveScopes(reader, person ?? '', client.clientId, asked, nowMs);
    return live.length === asked.length ? grant : undefined;
  });
}

async function isActive(store: Store, person: string): Promise<boolean> {
  const [row] = await store.read(async (reader) =>
    reader.db.select({ status: personTable.status }).from(personTable).where(eq(personTable.id, person)),
  );
  return row !== undefined && row.status !== 'erased';
}

/** A partner that registers itself is a partner like any other: same checks, and an entry in the log. */
async function registerSelf({ gate, system }: OauthParts, metadata: Record<string, unknown>): Promise<void> {
  const text = (name: string): string | undefined =>
    typeof metadata[name] === 'string' ? metadata[name] : undefined;
  const id = String(metadata['client_id']);
  const contact = (metadata['contacts'] as string[] | undefined)?.[0];
  const company = text('company');
  const siteUrl = text('client_uri');
  try {
    const stored = clientMetadata(
      {
        id,
        name: text('client_name') ?? id,
        redirectUris: (metadata['redirect_uris'] as string[] | undefined) ?? [],
        scopes: (text('data_scopes') ?? '').split(' ').filter((scope) => scope !== ''),
        ...(contact === undefined ? {} : { contact }),
        ...(company === undefined ? {} : { company }),
        ...(siteUrl === undefined ? {} : { siteUrl }),
      },
      hashSecret(text('client_secret') ?? ''),
    );
    await gate.run(
      staffRequest({ kind: 'system', id: 'oauth' }, 'administer', {
        partner: id,
        scopes: stored.data_scopes,
      }),
      async (_permit, tx) => {
        await tx.db.insert(partnerTable).values({
          id,
          name: stored.client_name,
          status: 'active',
          client: JSON.stringify(stored),
          createdMs: system.clock.nowMs(),
        });
        return { value: undefined, keyClass: 'evidence' };
      },
    );
  } catch (error) {
    if (error instanceof GatewayError && error.status < 500)
      throw new errors.InvalidClientMetadata(error.message);
    throw error;
  }
}

async function noteRevoked({ gate, store }: OauthParts, grantHash: string, route: string): Promise<void> {
  const [grant] = await store.read(async ({ db }) =>
    db
      .select({ person: oauthGrant.person, partner: oauthGrant.partner })
      .from(oauthGrant)
      .where(eq(oauthGrant.id, grantHash)),
  );
  if (grant === undefined) return;
  await gate.run(
    {
      ...staffRequest({ kind: 'system', id: 'oauth' }, 'administer', {
        partner: grant.partner,
        grant: grantHash,
        revoked_at: route,
      }),
      person: grant.person,
    },
    () => Promise.resolve({ value: undefined, kind: 'consent', keyClass: 'evidence' }),
  );
}

/** An error that cannot go back to the partner. Says what is wrong and nothing of what was sent. */
function renderError(ctx: KoaContextWithOIDC, out: ErrorOut): void {
  ctx.type = 'html';
  ctx.body = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Error</title></head>
<body><main><h1>This request could not go on</h1><p>${escape(out.error_description ?? '')}</p>
<p><code>${escape(out.error)}</code></p><p>Go back to the app you came from and start again.</p></main></body></html>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function derived(key: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', label, 32));
}
