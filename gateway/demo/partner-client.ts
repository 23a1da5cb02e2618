// `assent demo-partner`: a partner app in a terminal. Authorization code with PKCE in the browser, then one call a line.
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import * as oauth from 'openid-client';
import { isLoopback } from '../config.ts';
import { readKept, terminalPartner } from './partner.ts';

export interface DemoPartnerRun {
  /** Data folder of the gateway: the partner's secret lies there. */
  readonly home: string;
  /** Where the gateway answers. */
  readonly url: string;
  readonly say: (line: string) => void;
  /** Each line asks once more; the end of them ends the run. Absent: lines typed in the terminal. */
  readonly lines?: AsyncIterable<unknown>;
}

const waitForPersonMs = 10 * 60_000;
const callbackPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Reading Corner</title></head>
<body><p>Reading Corner has its answer. Go back to the terminal. · 书角已收到结果，请回到终端。</p></body></html>`;

/** @returns exit code: 0 done, 1 the person said no, 2 usage or I/O */
export async function runDemoPartner({ home, url, say, lines }: DemoPartnerRun): Promise<number> {
  const secret = readKept({ home }, 'demo-partner-terminal.secret');
  if (secret === undefined) {
    say(`${home} holds no demo world: start the gateway there once without --empty`);
    return 2;
  }
  if (!URL.canParse(url) || !isLoopback(new URL(url).hostname)) {
    say('name the gateway by a loopback URL, such as http://127.0.0.1:8080');
    return 2;
  }
  const client = await discover(url, secret);
  if (client === undefined) {
    say(`no gateway answers at ${url}; if it listens elsewhere: assent demo-partner URL`);
    return 2;
  }
  const token = await authorize(client, say);
  if (token === undefined) return 1;
  const api = new URL('/v1/data/browsing?purpose=recommendation', url);
  await ask(client, token, api, say);
  say('Enter asks again with the same token; turn the switch off in the portal between. Ctrl-D ends.');
  for await (const _line of lines ?? createInterface({ input: process.stdin })) {
    if (!(await ask(client, token, api, say))) break;
  }
  return 0;
}

async function discover(url: string, secret: string): Promise<oauth.Configuration | undefined> {
  try {
    return await oauth.discovery(
      new URL('/oidc', url),
      terminalPartner.id,
      { id_token_signed_response_alg: 'ES256' },
      oauth.ClientSecretBasic(secret),
      { execute: [oauth.allowInsecureRequests] },
    );
  } catch {
    return undefined;
  }
}

/** Sends the person to the gateway and waits at the redirect URI for what they answered. */
async function authorize(
  client: oauth.Configuration,
  say: (line: string) => void,
): Promise<string | undefined> {
  const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
  const expectedState = oauth.randomState();
  const returned = await waitForReturn(async () => {
    const url = oauth.buildAuthorizationUrl(client, {
      redirect_uri: terminalPartner.redirectUri,
      scope: terminalPartner.scopes.join(' '),
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
    });
    say(`Open this in the browser where you are signed in as Lin Xiao (through /demo):\n\n  ${url.href}\n`);
  });
  if (returned === undefined) {
    say('nobody came back');
    return undefined;
  }
  try {
    const answer = await oauth.authorizationCodeGrant(client, returned, { pkceCodeVerifier, expectedState });
    say(
      `allowed: ${answer.scope ?? terminalPartner.scopes.join(' ')} (an opaque token, ${answer.expires_in ?? 0} s)`,
    );
    return answer.access_token;
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError))
      throw error;
    say(`not allowed: ${error.error}`);
    return undefined;
  }
}

async function waitForReturn(ready: () => Promise<void>): Promise<URL | undefined> {
  const { hostname, port, pathname } = new URL(terminalPartner.redirectUri);
  let server: Server | undefined;
  try {
    return await new Promise<URL | undefined>((resolve, reject) => {
      const timer = setTimeout(() => resolve(undefined), waitForPersonMs);
      timer.unref();
      server = createServer((request, response) => {
        const url = new URL(request.url ?? '/', terminalPartner.redirectUri);
        if (url.pathname !== pathname) return void response.writeHead(404).end();
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', connection: 'close' });
        response.end(callbackPage, () => resolve(url));
      });
      server.once('error', reject);
      server.listen(Number(port), hostname, () => void ready().catch(reject));
    });
  } finally {
    server?.close();
  }
}

/** One call; false when the token is of no more use. */
async function ask(
  client: oauth.Configuration,
  token: string,
  url: URL,
  say: (line: string) => void,
): Promise<boolean> {
  const response = await call(client, token, url);
  const body = (await response.json()) as {
    events?: { title: string | null }[];
    code?: string;
    decision?: string;
    ask_again?: string;
  };
  const receipt = `entry ${response.headers.get('assent-entry') ?? '–'}, leaf ${response.headers.get('assent-leaf')?.slice(0, 16) ?? '–'}…`;
  if (response.status === 200) {
    const events = body.events ?? [];
    say(`200 · ${events.length} rows · ${receipt}`);
    for (const { title } of events.slice(0, 3)) say(`      ${title ?? ''}`);
    return true;
  }
  say(
    `${response.status} · ${body.code ?? ''} · ${body.decision === undefined ? '' : `decision ${body.decision} · `}${receipt}`,
  );
  if (body.ask_again !== undefined) say(`      ask again, with a PKCE challenge added: ${body.ask_again}`);
  if (response.status === 401) say('the token is not valid any more: revoked, or its time is over');
  return response.status !== 401;
}

async function call(client: oauth.Configuration, token: string, url: URL): Promise<Response> {
  try {
    return await oauth.fetchProtectedResource(client, token, url, 'GET');
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
    throw error;
  }
}
