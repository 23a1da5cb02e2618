// A gateway with its authorization server on a real port over a real database file, and a browser made of fetch.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import formbody from '@fastify/formbody';
import rateLimit from '@fastify/rate-limit';
import Fastify from 'fastify';
import type { Provider } from 'oidc-provider';
import { createKeyring } from '../../gateway/audit/keys.ts';
import { openLog } from '../../gateway/audit/log.ts';
import { loadConfig } from '../../gateway/config.ts';
import { ensureNotices } from '../../gateway/consent/notices.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { createGate, type Gate } from '../../gateway/gate.ts';
import { loadKeys } from '../../gateway/key-files.ts';
import { checkDpop } from '../../gateway/oauth/dpop.ts';
import { interactionRoutes } from '../../gateway/oauth/interactions.ts';
import { mountOauth } from '../../gateway/oauth/mount.ts';
import { registerPartner, type NewPartner } from '../../gateway/oauth/partners.ts';
import { createProvider, issuerOf, resourceOf } from '../../gateway/oauth/provider.ts';
import { identifyPartner } from '../../gateway/oauth/tokens.ts';
import * as tables from '../../gateway/store/tables.ts';
import { handClock, realSystem, type System } from '../../gateway/system.ts';
import { openDataStore } from '../support/data-store.ts';

export type World = Awaited<ReturnType<typeof openWorld>>;

export const redirectUri = 'http://127.0.0.1:9/callback';

export async function openWorld(
  options: { readonly requestsPerMinute?: number; readonly publicUrl?: string } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'assent-oauth-'));
  const clock = handClock(Date.now());
  const system: System = { clock, random: realSystem.random };
  const keys = loadKeys(join(folder, 'keys'), system.random);
  const store = await openDataStore(join(folder, 'gateway.db'));
  const keyring = createKeyring(keys['wrapping.key'], system.random);
  const log = await openLog(store, keyring);
  const gate: Gate = createGate({ store, log, keyring, system });
  await store.write(async (tx) => {
    await ensureNotices(tx, clock.nowMs());
    for (const id of ['alice', 'bob']) {
      await tx.db.insert(tables.person).values({ id, status: 'active', createdMs: clock.nowMs() });
    }
  });

  // What the real app has around the mount: it must neither disturb it nor be disturbed.
  const app = Fastify();
  app.addHook('onRequest', async (_request, reply) => {
    void reply.header('content-security-policy', "default-src 'self'").header('x-app', 'assent');
  });
  await app.register(formbody);
  await app.register(rateLimit, { max: 100_000, timeWindow: 60_000 });
  const failures: unknown[] = [];
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof GatewayError)) failures.push(error);
    const known = error instanceof GatewayError ? error : new GatewayError('internal');
    void reply.code(known.status).send({ code: known.code });
  });
  // The provider needs the port in its issuer.
  const port = await freePort();
  const config = {
    ...loadConfig({ PORT: String(port), ASSENT_PUBLIC_URL: options.publicUrl }),
    limits: { ...loadConfig({}).limits, requestsPerMinute: options.requestsPerMinute ?? 0 },
  };
  const provider: Provider = createProvider({
    config,
    keys,
    store,
    gate,
    system,
    onError: (error) => failures.push(error),
  });
  await app.register(mountOauth, { provider, config });
  await app.register(interactionRoutes, {
    provider,
    config,
    store,
    gate,
    system,
    currentPerson: async (request) => {
      const person = /(?:^|; )who=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
      return person === undefined ? undefined : { person, csrf: `csrf-of-${person}` };
    },
    languageOf: (request) => (request.headers['accept-language'] === 'zh' ? 'zh' : 'en'),
    renderConsent: (_request, reply, view) => reply.send(view),
  });
  // What the partner routes do: DPoP first, then the token, in the gate's transaction.
  app.get('/v1/whoami', async (request, reply) => {
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer' && scheme !== 'DPoP') throw new GatewayError('unauthenticated');
    const proof = request.headers['dpop'];
    const dpopProof =
      typeof proof === 'string'
        ? await checkDpop(
            { store, system },
            { proof, method: 'GET', url: config.publicUrl + request.url, token },
          )
        : undefined;
    const known = await store.write((tx) =>
      identifyPartner(
        tx,
        { scheme, token, ...(dpopProof === undefined ? {} : { dpopProof }) },
        clock.nowMs(),
        resourceOf(config),
      ),
    );
    return reply.send(known);
  });
  await app.listen({ port, host: '127.0.0.1' });

  return {
    folder,
    clock,
    system,
    keys,
    config,
    store,
    gate,
    log,
    keyring,
    provider,
    failures,
    localUrl: `http://127.0.0.1:${port}`,
    issuer: issuerOf(config),
    audience: resourceOf(config),
    register: (partner: Partial<NewPartner> & Pick<NewPartner, 'id' | 'scopes'>) =>
      store.write((tx) =>
        registerPartner(
          tx,
          { name: partner.id, redirectUris: [redirectUri], ...partner },
          system.random,
          clock.nowMs(),
        ),
      ),
    /** Every row of every table, as the database gives it. */
    everyRow: (): Promise<Record<string, unknown>[]> =>
      store.read(async (reader) => {
        const rows: Record<string, unknown>[] = [];
        for (const table of Object.values(tables)) rows.push(...(await reader.db.select().from(table)));
        return rows;
      }),
    async close() {
      await app.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = Fastify();
  await probe.listen({ port: 0, host: '127.0.0.1' });
  const { port } = probe.addresses()[0] as { port: number };
  await probe.close();
  return port;
}

/** A browser: cookies by path, redirects followed until the partner's address or a page. */
export class Browser {
  readonly #cookies = new Map<string, { value: string; path: string }>();

  signIn(person: string): this {
    return this.carry('who', person);
  }

  /** Has this cookie from now on. */
  carry(name: string, value: string): this {
    this.#cookies.set(name, { value, path: '/' });
    return this;
  }

  get cookieValues(): string[] {
    return [...this.#cookies.values()].map(({ value }) => value);
  }

  /** @returns the last response, and where the partner's callback was reached, if it was */
  async open(
    start: URL | string,
    form?: URLSearchParams,
  ): Promise<{ response: Response; url: URL; callback?: URL }> {
    let url = new URL(start);
    let body = form;
    for (let hop = 0; hop < 12; hop++) {
      if (url.href.startsWith(redirectUri)) return { response: new Response(), url, callback: url };
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: this.#header(url.pathname), accept: 'text/html' },
        ...(body === undefined ? {} : { method: 'POST', body }),
      });
      this.#keep(response, url.pathname);
      body = undefined;
      const next = response.headers.get('location') ?? (await refreshTarget(response));
      if (next === undefined) return { response, url };
      url = new URL(next, url);
    }
    throw new Error('too many redirects');
  }

  #header(path: string): string {
    return [...this.#cookies]
      .filter(([, cookie]) => path.startsWith(cookie.path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
  }

  #keep(response: Response, path: string): void {
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const cookiePath = /; path=([^;]+)/i.exec(line)?.[1] ?? path;
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, { value, path: cookiePath });
    }
  }
}

async function refreshTarget(response: Response): Promise<string | undefined> {
  if (!response.headers.get('content-type')?.startsWith('text/html')) return undefined;
  return /http-equiv="refresh" content="0;url=([^"]+)"/.exec(await response.clone().text())?.[1];
}

export interface ConsentChoice {
  readonly tick: readonly string[];
  readonly answer?: 'allow' | 'deny';
}

/** Answers a consent page as a browser would post its form. */
export async function answerConsent(
  browser: Browser,
  page: { response: Response; url: URL },
  person: string,
  choice: ConsentChoice,
): Promise<{ response: Response; url: URL; callback?: URL }> {
  const view = (await page.response.json()) as { action: string; notice: { version: string } };
  const form = new URLSearchParams({
    _csrf: `csrf-of-${person}`,
    notice: view.notice.version,
    answer: choice.answer ?? 'allow',
  });
  for (const scope of choice.tick) form.append('scope', scope);
  return browser.open(new URL(view.action, page.url), form);
}
