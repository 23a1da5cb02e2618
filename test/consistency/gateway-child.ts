// One gateway of several on one database: the whole application on a port of its own, and orders by message.
// Started with fork: HOME STORE_URL PUBLIC_URL CLOCK_AHEAD_MS REQUESTS_PER_MINUTE
import { eq } from 'drizzle-orm';
import { buildApp } from '../../gateway/app.ts';
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { currentNotice, noticeLabel } from '../../gateway/consent/notices.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { registerPartner, resumePartner, suspendPartner } from '../../gateway/oauth/partners.ts';
import { checkDpop } from '../../gateway/oauth/dpop.ts';
import { recordHash, sealRecord } from '../../gateway/oauth/record.ts';
import { oauthSurface } from '../../gateway/oauth/surface.ts';
import { signInPerson } from '../../gateway/operations/accounts.ts';
import { askPrivately } from '../../gateway/operations/dp-query.ts';
import { readData } from '../../gateway/operations/read-data.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { revokePartner } from '../../gateway/operations/revoke-partner.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { createPortal, portalRoutes } from '../../gateway/portal/surface.ts';
import { erasePerson } from '../../gateway/rights/erase.ts';
import { oauthRecord, person as personTable } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { grantAgain, grantedToken } from '../support/granted-token.ts';

const [home = '', storeUrl = '', publicUrl = '', aheadMs = '0', perMinute = '0'] = process.argv.slice(2);
const config = loadConfig({
  ASSENT_HOME: home,
  ASSENT_STORE: storeUrl,
  ASSENT_PUBLIC_URL: publicUrl,
  ASSENT_REQUESTS_PER_MINUTE: perMinute,
  ASSENT_TRUST_PROXY: '1',
  // Several gateways need one chain; nothing is anchored here, so nobody answers at this address.
  ASSENT_CHAIN_URL: 'http://127.0.0.1:9',
});
const system = { ...realSystem, clock: { nowMs: () => Date.now() + Number(aheadMs) } };
const core = await openCore(config, system);
const { operations, store } = core;
const oauth = oauthSurface(core);
const recommender = createRecommender(operations);
const portal = createPortal(core, { recommender, oauth, isDemo: false });
const app = await buildApp({
  parts: operations,
  recommender,
  gate: core.gate,
  config,
  prover: core.prover,
  publisher: core.publisher,
  proveDpop: oauth.proveDpop,
  identify: oauth.identify,
  logLevel: 'silent',
  surfaces: [oauth.routes, (scope) => portalRoutes(scope, portal)],
});

const codesOfRefusal = new Set(['consent_required', 'not_available', 'invalid_token', 'insufficient_scope']);

/** What the test may order. Everything goes through the functions the routes call. */
const orders = {
  /** A person with a row and a switch that is on, a partner, grant and token. */
  begin: async ({ partner }: { partner: string }) =>
    grantedToken(core, oauth.provider, { events: 1, partner }),

  async turn({ person, partner, to }: { person: string; partner: string; to: 'on' | 'off' }) {
    await setSwitches(operations, person, [
      {
        category: 'browsing',
        purpose: 'recommendation',
        recipient: `partner:${partner}`,
        action: to,
        noticeHash: null,
      },
    ]);
  },

  revoke: async ({ person, grant }: { person: string; grant: string }) => {
    await revokePartner(operations, person, grant);
  },

  async grant(to: { person: string; partner: string }) {
    const made = await grantAgain(core, oauth.provider, to);
    await orders.turn({ ...to, to: 'on' });
    return made;
  },

  suspend: ({ partner }: { partner: string }) => store.write((tx) => suspendPartner(tx, partner)),
  resume: ({ partner }: { partner: string }) => store.write((tx) => resumePartner(tx, partner)),

  async restrict({ person, to }: { person: string; to: 'restricted' | 'active' }) {
    await store.write((tx) =>
      tx.db.update(personTable).set({ status: to }).where(eq(personTable.id, person)),
    );
  },

  erase: async ({ person }: { person: string }) => {
    await erasePerson(operations, { kind: 'person', person });
  },

  /** The partner's read, as `/v1/data/browsing` does it. */
  async call({ token }: { token: string }): Promise<'rows' | 'refused'> {
    try {
      const { value } = await readData(
        core.gate,
        (tx) => oauth.identify(tx, { scheme: 'Bearer', token }, undefined),
        { category: 'browsing', purpose: 'recommendation', offset: 0, limit: 10 },
      );
      if (value.events.length !== 1) throw new Error('an answer without its row');
      return 'rows';
    } catch (error) {
      if (error instanceof GatewayError && codesOfRefusal.has(error.code)) return 'refused';
      throw error;
    }
  },

  /** Which of a person's keys this gateway can use. */
  async keys({ person }: { person: string }) {
    const { data, evidence } = await store.read((reader) => core.keyring.open(reader, `person:${person}`));
    return { data: data !== undefined, evidence: evidence !== undefined };
  },

  async session({ person }: { person: string }) {
    const { value } = await signInPerson(operations, person);
    const notice = await store.read((reader) => currentNotice(reader, 'partner-access', 'en'));
    return { token: value.token, csrf: value.csrf, notice: noticeLabel(notice) };
  },

  register: ({ id, scopes, redirectUri }: { id: string; scopes: string[]; redirectUri: string }) =>
    store.write((tx) =>
      registerPartner(tx, { id, name: id, scopes, redirectUris: [redirectUri] }, system.random, Date.now()),
    ),

  /** A token bound to a key, as the library would have stored it. */
  async bind({ token, jkt }: { token: string; jkt: string }) {
    await store.write((tx) =>
      tx.db.insert(oauthRecord).values({
        model: 'AccessToken',
        hash: recordHash(token),
        payload: sealRecord('AccessToken', token, { kind: 'AccessToken', jkt }, system.random),
      }),
    );
  },

  prove: (request: { proof: string; method: string; url: string; token: string }) =>
    checkDpop({ store, system }, request),

  askPrivately: async ({ key, epsilon }: { key: string; epsilon: string }) => {
    const asked = { question: 'people_by_age_band', epsilon, idempotencyKey: key };
    return (await askPrivately(operations, { kind: 'analyst', id: 'analyst' }, asked)).value;
  },

  figures: async () => store.figures(),
} as const;

export type Orders = typeof orders;
export type OrderName = keyof Orders;

interface Message {
  readonly id: number;
  readonly name: OrderName;
  readonly given: never;
}

/** Nobody hears it any more when the test is gone. */
function say(what: object): void {
  if (process.connected) process.send?.(what);
}

process.on('message', ({ id, name, given }: Message) => {
  const answer = async (): Promise<unknown> => orders[name](given);
  answer().then(
    (value) => say({ id, value }),
    (error: unknown) =>
      say({
        id,
        error: error instanceof GatewayError ? error.code : 'other',
        message: error instanceof Error ? `${error.message} ${String(error.stack)}` : String(error),
      }),
  );
});
// Also when the test that started it is gone.
process.on('disconnect', () => void close());

async function close(): Promise<void> {
  await app.fastify.close();
  await core.close();
  process.exit(0);
}

const url = await app.fastify.listen({ host: '127.0.0.1', port: 0 });
say({ url });
