// The demo's partner app, as it would be written outside: an OAuth client on `openid-client` that calls the real API.
import * as oauth from 'openid-client';
import type { Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { issuerOf } from '../oauth/provider.ts';
import type { PartnerAnswer } from '../portal/pages/demo-partner.ts';
import type { Clock } from '../system.ts';
import { callbackPath, callbackUrl, demoPartner, keep, readKept } from './partner.ts';

/** The partner's own link that leads the person to what the gateway calls `ask_again`, with a fresh code challenge. */
export const connectPath = '/demo/partner/connect';
/** The request it makes, without the token. */
export const requestLine = 'GET /v1/data/browsing?purpose=recommendation';
const requestPath = '/v1/data/browsing?purpose=recommendation';
const scopes = ['openid', 'browsing.recommendation:read'];

export interface PartnerApp {
  /** Whether it holds anything it could ask with. */
  isConnected(): boolean;
  /** Where to send the person so that they can allow it; good for one return. */
  authorizationUrl(): Promise<string>;
  /**
   * The person is back with a code. Nothing is kept unless `isFor` knows the new token as the right person's.
   * @throws GatewayError `malformed_request` for a return it did not ask for
   */
  finish(url: string, isFor: (token: string) => Promise<boolean>): Promise<void>;
  /** Calls the API with the same token as long as it lives; undefined when it is not connected (any more). */
  ask(): Promise<PartnerAnswer | undefined>;
}

interface Pending {
  readonly codeVerifier: string;
  readonly nonce: string;
}

const pendingLimit = 50;
const rowsShown = 6;
const renewBeforeMs = 30_000;

export function createPartnerApp(config: Config, clock: Clock): PartnerApp {
  const pending = new Map<string, Pending>();
  let client: oauth.Configuration | undefined;
  let held: { token: string; untilMs: number } | undefined;

  async function connect(): Promise<oauth.Configuration> {
    if (client !== undefined) return client;
    const secret = readKept(config, 'demo-partner.secret');
    if (secret === undefined) throw new GatewayError('not_found', 'the demo partner has no secret here');
    const issuer = new URL(issuerOf(config));
    client = await oauth.discovery(
      issuer,
      demoPartner.id,
      { id_token_signed_response_alg: 'ES256' },
      oauth.ClientSecretBasic(secret),
      issuer.protocol === 'http:' ? { execute: [oauth.allowInsecureRequests] } : {},
    );
    return client;
  }

  function hold(answer: oauth.TokenEndpointResponse): string {
    held = { token: answer.access_token, untilMs: clock.nowMs() + (answer.expires_in ?? 0) * 1000 };
    if (answer.refresh_token !== undefined) keep(config, 'demo-partner.refresh', answer.refresh_token);
    return held.token;
  }

  /** The access token, or a new one for the refresh token. A refused refresh token is dropped. */
  async function token(): Promise<string | undefined> {
    if (held !== undefined && held.untilMs > clock.nowMs() + renewBeforeMs) return held.token;
    held = undefined;
    const refresh = readKept(config, 'demo-partner.refresh');
    if (!refresh) return undefined;
    try {
      return hold(await oauth.refreshTokenGrant(await connect(), refresh));
    } catch (error) {
      if (!(error instanceof oauth.ResponseBodyError)) throw error;
      keep(config, 'demo-partner.refresh', '');
      return undefined;
    }
  }

  async function call(accessToken: string): Promise<Response> {
    const url = new URL(requestPath, config.publicUrl);
    try {
      return await oauth.fetchProtectedResource(await connect(), accessToken, url, 'GET');
    } catch (error) {
      if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
      throw error;
    }
  }

  async function authorizationUrl(): Promise<string> {
    const codeVerifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const nonce = oauth.randomNonce();
    if (pending.size >= pendingLimit) pending.delete(pending.keys().next().value ?? '');
    pending.set(state, { codeVerifier, nonce });
    const url = oauth.buildAuthorizationUrl(await connect(), {
      redirect_uri: callbackUrl(config),
      scope: scopes.join(' '),
      code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
      prompt: 'consent',
      state,
      nonce,
    });
    return url.href;
  }

  return {
    isConnected: () => held !== undefined || Boolean(readKept(config, 'demo-partner.refresh')),
    authorizationUrl,

    async finish(url, isFor) {
      const returned = new URL(url, config.publicUrl);
      const state = returned.searchParams.get('state') ?? '';
      const asked = pending.get(state);
      pending.delete(state);
      if (returned.pathname !== callbackPath || asked === undefined)
        throw new GatewayError('malformed_request', 'this return was not asked for');
      // The person said no: the partner stays as it was.
      if (returned.searchParams.has('error')) return;
      try {
        const answer = await oauth.authorizationCodeGrant(await connect(), returned, {
          pkceCodeVerifier: asked.codeVerifier,
          expectedState: state,
          expectedNonce: asked.nonce,
        });
        if (await isFor(answer.access_token)) hold(answer);
      } catch (cause) {
        if (cause instanceof oauth.ResponseBodyError || cause instanceof oauth.AuthorizationResponseError)
          throw new GatewayError('malformed_request', 'this return was not accepted', { cause });
        throw cause;
      }
    },

    async ask() {
      for (let attempt = 0; attempt < 2; attempt++) {
        const accessToken = await token();
        if (accessToken === undefined) return undefined;
        const response = await call(accessToken);
        if (response.status !== 401) return readAnswer(response, `${config.publicUrl}${connectPath}`);
        // The person revoked it, or it ran out early: one try with the refresh token, which went with it if revoked.
        held = undefined;
      }
      return undefined;
    },
  };
}

/** Both languages of a title as it stands on the shelf. */
function splitTitle(title: string): { zh: string; en: string } {
  const [zh = title, en = title] = title.split(' · ', 2);
  return { zh, en };
}

interface Body {
  readonly events?: readonly {
    title: string | null;
    item: string | null;
    value: number | null;
    at: string;
  }[];
  readonly code?: string;
  readonly title?: string;
  readonly decision?: string;
  readonly entry?: number;
  readonly leaf_hash?: string;
}

async function readAnswer(response: Response, askUrl: string): Promise<PartnerAnswer> {
  const text = await response.text();
  const body = JSON.parse(text) as Body;
  const index = Number(response.headers.get('assent-entry') ?? body.entry ?? 0);
  const leafHash = response.headers.get('assent-leaf') ?? body.leaf_hash ?? '';
  if (response.status === 200) {
    const events = body.events ?? [];
    return {
      status: 200,
      rows: events.slice(0, rowsShown).map(({ title, item, value, at }) => ({
        title: splitTitle(title ?? item ?? ''),
        atMs: Date.parse(at),
        value,
      })),
      total: events.length,
      index,
      leafHash,
    };
  }
  return {
    status: response.status,
    code: body.code ?? 'internal',
    title: body.title ?? '',
    decisionId: response.headers.get('assent-decision') ?? body.decision ?? '',
    index,
    leafHash,
    askUrl,
    body: JSON.stringify(body, null, 2),
  };
}
