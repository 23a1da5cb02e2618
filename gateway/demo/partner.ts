// The demo's partner app: registered like any other, allowed by people through the same records a consent page makes.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { and, desc, eq, gt, isNull } from 'drizzle-orm';
import type { Provider } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { Notice } from '../consent/notices.ts';
import { turnSwitch } from '../consent/switches.ts';
import { parseScope } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { registerPartner, type NewPartner } from '../oauth/partners.ts';
import { lifetimesSeconds, resourceOf } from '../oauth/provider.ts';
import { recordHash } from '../oauth/record.ts';
import { staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import type { Identified } from '../operations/read-data.ts';
import type { Tx } from '../store/store.ts';
import { oauthGrant } from '../store/tables.ts';

export const demoPartner = {
  id: 'reading-corner',
  name: '书角 Reading Corner',
  shownName: { en: 'Reading Corner', zh: '书角' },
  company: '书角工作室 Reading Corner Studio',
  contact: 'hello@reading-corner.example',
  scopes: ['browsing.recommendation:read', 'transactions.marketing:read', 'location.marketing:read'],
} as const;

/** The same app without a page of its own: `assent demo-partner` runs it in a terminal. */
export const terminalPartner = {
  id: 'reading-corner-terminal',
  name: '书角终端 Reading Corner Terminal',
  redirectUri: 'http://127.0.0.1:8484/callback',
  scopes: ['browsing.recommendation:read'],
} as const;

export const callbackPath = '/demo/partner/callback';

export function callbackUrl(config: Pick<Config, 'publicUrl'>): string {
  return `${config.publicUrl}${callbackPath}`;
}

/** What the partner keeps on its own side; here they lie beside the gateway's keys because both are one process. */
type Kept = 'demo-partner.secret' | 'demo-partner.refresh' | 'demo-partner-terminal.secret';

export function readKept(config: Pick<Config, 'home'>, name: Kept): string | undefined {
  try {
    return readFileSync(join(config.home, 'keys', name), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Readable by its owner alone; a crash leaves the old one or the new one. */
export function keep(config: Pick<Config, 'home'>, name: Kept, secret: string): void {
  const path = join(config.home, 'keys', name);
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/** The operator registers the partner that has a page here. */
export function registerDemoPartner(parts: OperationParts, operator: string): Promise<void> {
  const { id, name, company, contact, scopes } = demoPartner;
  const redirectUris = [callbackUrl(parts.config)];
  return register(
    parts,
    operator,
    { id, name, company, contact, scopes, redirectUris },
    'demo-partner.secret',
  );
}

export function registerTerminalPartner(parts: OperationParts, operator: string): Promise<void> {
  const { id, name, redirectUri, scopes } = terminalPartner;
  const { company, contact } = demoPartner;
  const order = { id, name, company, contact, scopes, redirectUris: [redirectUri] };
  return register(parts, operator, order, 'demo-partner-terminal.secret');
}

/** The secret is on disk before the registration is. */
async function register(
  parts: OperationParts,
  operator: string,
  partner: NewPartner,
  secretFile: Kept,
): Promise<void> {
  const about = { partner: partner.id, scopes: partner.scopes };
  const request = staffRequest({ kind: 'operator', id: operator }, 'administer', about);
  await parts.gate.run(request, async (_permit, tx) => {
    const { clientSecret } = await registerPartner(
      tx,
      partner,
      parts.system.random,
      parts.system.clock.nowMs(),
    );
    keep(parts.config, secretFile, clientSecret);
    return { value: undefined, kind: 'configured', keyClass: 'evidence' };
  });
}

export interface Allowance {
  readonly person: string;
  readonly granted: readonly string[];
  readonly declined: readonly string[];
  readonly notice: Notice;
}

/**
 * What the consent page does when a person presses “allow”: the library's grant, a switch for each scope, our grant
 * and one entry for all of it (oauth/interactions.ts).
 * @returns the library's id of the grant
 */
export async function allowPartner(
  parts: OperationParts,
  provider: Provider,
  { person, granted, declined, notice }: Allowance,
): Promise<string> {
  const resource = resourceOf(parts.config);
  const grant = new provider.Grant({ accountId: person, clientId: demoPartner.id });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(resource, granted.join(' '));
  if (declined.length > 0) grant.rejectResourceScope(resource, declined.join(' '));
  const grantId = await grant.save();
  const nowMs = parts.system.clock.nowMs();
  const expiresMs = nowMs + lifetimesSeconds.grant * 1000;
  const terms = granted.flatMap((scope) => parseScope(scope) ?? []);
  await parts.gate.run(
    {
      caller: { kind: 'person', id: person },
      operation: 'authorise-partner',
      purpose: 'service',
      categories: [...new Set(terms.map(({ category }) => category))],
      recipients: ['self'],
      person,
      grant: null,
      about: { partner: demoPartner.id, granted, declined, notice: notice.hash, expires: expiresMs },
    },
    async (_permit, tx) => {
      for (const { category, purpose } of terms) {
        await turnSwitch(
          tx,
          {
            person,
            category,
            purpose,
            recipient: `partner:${demoPartner.id}`,
            action: 'on',
            method: 'oauth',
            noticeHash: notice.hash,
            validUntilMs: expiresMs,
            extent: {},
            collectedMs: nowMs,
          },
          nowMs,
        );
      }
      await tx.db.insert(oauthGrant).values({
        id: recordHash(grantId),
        person,
        partner: demoPartner.id,
        scopes: granted.join(' '),
        noticeHash: notice.hash,
        createdMs: nowMs,
        expiresMs,
      });
      return { value: undefined, kind: 'consent', keyClass: 'evidence' };
    },
  );
  return grantId;
}

/** The refresh token that a partner which was allowed has kept since: today's access tokens it gets for this. */
export async function keepRefreshToken(
  config: Config,
  provider: Provider,
  person: string,
  grantId: string,
  scopes: readonly string[],
): Promise<void> {
  const client = await provider.Client.find(demoPartner.id);
  if (client === undefined) throw new GatewayError('internal', 'the demo partner is not registered');
  const token = new provider.RefreshToken({
    accountId: person,
    client,
    grantId,
    gty: 'authorization_code',
    resource: resourceOf(config),
    scope: `openid offline_access ${scopes.join(' ')}`,
  });
  keep(config, 'demo-partner.refresh', await token.save());
}

/** The partner's newest live grant of one person, looked up in the gate's transaction like a token's. */
export async function identifyByGrant(tx: Tx, person: string, nowMs: number): Promise<Identified> {
  const [row] = await tx.db
    .select({ scopes: oauthGrant.scopes })
    .from(oauthGrant)
    .where(
      and(
        eq(oauthGrant.person, person),
        eq(oauthGrant.partner, demoPartner.id),
        isNull(oauthGrant.revokedMs),
        gt(oauthGrant.expiresMs, nowMs),
      ),
    )
    .orderBy(desc(oauthGrant.createdMs))
    .limit(1);
  return {
    caller: { kind: 'partner', id: demoPartner.id },
    person,
    grant: row === undefined ? null : { live: true, person, scopes: row.scopes.split(' ') },
  };
}
