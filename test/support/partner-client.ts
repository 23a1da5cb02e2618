// A partner as it would be written outside: an OAuth client on `openid-client`. Used by tests and the demo command.
import * as oauth from 'openid-client';

export interface PartnerClientOptions {
  /** `<public URL>/oidc`. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri?: string;
  /** Binds tokens to a key made here (RFC 9449). */
  readonly dpop?: boolean;
}

export interface PartnerClient {
  readonly configuration: oauth.Configuration;
  readonly options: PartnerClientOptions;
  readonly dpop: oauth.DPoPHandle | undefined;
}

/** What the partner keeps between sending the person away and their return. */
export interface PendingAuthorization {
  /** Where the person's browser goes. */
  readonly url: URL;
  readonly codeVerifier: string;
  readonly state: string;
  readonly nonce: string | undefined;
}

export interface PartnerTokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly tokenType: 'bearer' | 'dpop';
  readonly scopes: readonly string[];
  readonly expiresSeconds: number | undefined;
  /** The person as this partner alone sees them; only with scope `openid`. */
  readonly subject: string | undefined;
}

/** Reads the server's metadata (RFC 8414). Plain HTTP is accepted on a loopback address only. */
export async function connectPartner(options: PartnerClientOptions): Promise<PartnerClient> {
  const issuer = new URL(options.issuer);
  const isLocal =
    issuer.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(issuer.hostname);
  const configuration = await oauth.discovery(
    issuer,
    options.clientId,
    { id_token_signed_response_alg: 'ES256' },
    oauth.ClientSecretBasic(options.clientSecret),
    isLocal ? { execute: [oauth.allowInsecureRequests] } : {},
  );
  const dpop =
    options.dpop === true
      ? oauth.getDPoPHandle(configuration, await oauth.randomDPoPKeyPair('ES256'))
      : undefined;
  return { configuration, options, dpop };
}

/** First step: where to send the person. With `pushed`, the request itself goes directly to the server (RFC 9126). */
export async function beginAuthorization(
  client: PartnerClient,
  scopes: readonly string[],
  { pushed = true, extra = {} }: { readonly pushed?: boolean; readonly extra?: Record<string, string> } = {},
): Promise<PendingAuthorization> {
  const codeVerifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const nonce = scopes.includes('openid') ? oauth.randomNonce() : undefined;
  const parameters: Record<string, string> = {
    redirect_uri: redirectUriOf(client),
    scope: scopes.join(' '),
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    state,
    ...(nonce === undefined ? {} : { nonce }),
    ...extra,
  };
  const url = pushed
    ? await oauth.buildAuthorizationUrlWithPAR(client.configuration, parameters, dpopOf(client))
    : oauth.buildAuthorizationUrl(client.configuration, parameters);
  return { url, codeVerifier, state, nonce };
}

/**
 * Second step: the person is back at the redirect URI with a code (or an error).
 * @throws the library's error, with `error` such as `access_denied`
 */
export async function finishAuthorization(
  client: PartnerClient,
  pending: PendingAuthorization,
  callback: URL,
): Promise<PartnerTokens> {
  const answer = await oauth.authorizationCodeGrant(
    client.configuration,
    callback,
    {
      pkceCodeVerifier: pending.codeVerifier,
      expectedState: pending.state,
      ...(pending.nonce === undefined ? {} : { expectedNonce: pending.nonce }),
    },
    undefined,
    dpopOf(client),
  );
  return asTokens(answer);
}

export async function refreshTokens(client: PartnerClient, refreshToken: string): Promise<PartnerTokens> {
  return asTokens(
    await oauth.refreshTokenGrant(client.configuration, refreshToken, undefined, dpopOf(client)),
  );
}

/** A token of the partner's own, for aggregates: scope `dp:query`. */
export async function clientTokens(client: PartnerClient, scope = 'dp:query'): Promise<PartnerTokens> {
  return asTokens(await oauth.clientCredentialsGrant(client.configuration, { scope }, dpopOf(client)));
}

export async function revokeToken(client: PartnerClient, token: string): Promise<void> {
  await oauth.tokenRevocation(client.configuration, token);
}

export async function introspect(client: PartnerClient, token: string): Promise<oauth.IntrospectionResponse> {
  return oauth.tokenIntrospection(client.configuration, token);
}

/** Calls the API; refusals come back as responses, not as errors. */
export async function callApi(
  client: PartnerClient,
  tokens: Pick<PartnerTokens, 'accessToken'>,
  url: URL,
  method = 'GET',
  body?: string,
): Promise<Response> {
  const headers = new Headers(body === undefined ? {} : { 'content-type': 'application/json' });
  try {
    return await oauth.fetchProtectedResource(
      client.configuration,
      tokens.accessToken,
      url,
      method,
      body,
      headers,
      dpopOf(client),
    );
  } catch (error) {
    // The library throws for a WWW-Authenticate challenge; the response is what a caller wants to see.
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
    throw error;
  }
}

/** One category of the person's data: `GET <base>/v1/data/<category>?purpose=…`. */
export function readPersonData(
  client: PartnerClient,
  tokens: Pick<PartnerTokens, 'accessToken'>,
  base: string,
  category: string,
  purpose: string,
): Promise<Response> {
  const url = new URL(`${base}/v1/data/${encodeURIComponent(category)}`);
  url.searchParams.set('purpose', purpose);
  return callApi(client, tokens, url);
}

function redirectUriOf(client: PartnerClient): string {
  const { redirectUri } = client.options;
  if (redirectUri === undefined) throw new Error('this partner was made without a redirect URI');
  return redirectUri;
}

function dpopOf({ dpop }: PartnerClient): { DPoP?: oauth.DPoPHandle } {
  return dpop === undefined ? {} : { DPoP: dpop };
}

function asTokens(answer: oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers): PartnerTokens {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token,
    tokenType: answer.token_type === 'dpop' ? 'dpop' : 'bearer',
    scopes: answer.scope?.split(' ') ?? [],
    expiresSeconds: answer.expires_in,
    subject: answer.claims()?.sub,
  };
}
