// A person with rows, a partner and a live access token, made with the library's own models and our own grant.
import { createHash } from 'node:crypto';
import type Provider from 'oidc-provider';
import type { Core } from '../../gateway/compose.ts';
import { turnSwitch } from '../../gateway/consent/switches.ts';
import { registerPartner } from '../../gateway/oauth/partners.ts';
import { resourceOf } from '../../gateway/oauth/provider.ts';
import { event, item, oauthGrant, person as personTable, source } from '../../gateway/store/tables.ts';
import { newId } from '../../gateway/system.ts';

const scope = 'browsing.recommendation:read';

export interface Granted {
  readonly token: string;
  readonly person: string;
  readonly partner: string;
  /** Its id as our tables have it. */
  readonly grant: string;
}

export interface GrantOptions {
  /** How many browsing events the person has. */
  readonly events: number;
  readonly partner?: string;
}

export async function grantedToken(core: Core, provider: Provider, options: GrantOptions): Promise<Granted> {
  const { system, store } = core;
  const nowMs = system.clock.nowMs();
  const { partner = 'reader' } = options;
  const person = newId(system.random);
  await store.write(async (tx) => {
    await tx.db
      .insert(personTable)
      .values({ id: person, reference: `test:${person}`, status: 'active', createdMs: nowMs });
    await core.keyring.create(tx, `person:${person}`);
    await registerPartner(
      tx,
      { id: partner, name: 'Reader', redirectUris: ['http://127.0.0.1:9/callback'], scopes: [scope] },
      system.random,
      nowMs,
    );
    await tx.db
      .insert(source)
      .values({
        id: 'test',
        name: 'test',
        legalBasis: 'contract',
        importedMs: nowMs,
        accepted: 0,
        rejected: 0,
      })
      .onConflictDoNothing();
    for (let at = 0; at < options.events; at++) {
      await tx.db
        .insert(item)
        .values({ key: `item-${at}`, title: `Item number ${at}`, source: 'test' })
        .onConflictDoNothing();
      await tx.db.insert(event).values({
        person,
        category: 'browsing',
        kind: 'view',
        item: `item-${at}`,
        value: null,
        atMs: nowMs - at * 60_000,
        source: 'test',
      });
    }
    await turnSwitch(
      tx,
      {
        person,
        category: 'browsing',
        purpose: 'recommendation',
        recipient: `partner:${partner}`,
        action: 'on',
        method: 'oauth',
        noticeHash: null,
        validUntilMs: null,
        extent: {},
        collectedMs: nowMs,
      },
      nowMs,
    );
  });
  return { person, partner, ...(await grantAgain(core, provider, { person, partner })) };
}

/** A new grant and token; the switch is not touched. */
export async function grantAgain(
  { config, store, system }: Core,
  provider: Provider,
  { person, partner }: Pick<Granted, 'person' | 'partner'>,
): Promise<Pick<Granted, 'token' | 'grant'>> {
  const nowMs = system.clock.nowMs();
  const client = await provider.Client.find(partner);
  if (client === undefined) throw new Error('the partner is not known to the provider');
  const grant = new provider.Grant({ accountId: person, clientId: partner });
  grant.addResourceScope(resourceOf(config), scope);
  const grantId = await grant.save();
  const id = createHash('sha256').update(grantId).digest('hex');
  await store.write(async (tx) => {
    await tx.db.insert(oauthGrant).values({
      id,
      person,
      partner,
      scopes: scope,
      createdMs: nowMs,
      expiresMs: nowMs + 86_400_000,
    });
  });
  const token = new provider.AccessToken({
    accountId: person,
    client,
    grantId,
    gty: 'authorization_code',
    scope,
  } as never);
  token.resourceServer = new provider.ResourceServer(resourceOf(config), {
    scope,
    accessTokenFormat: 'opaque',
  });
  return { token: await token.save(), grant: id };
}
