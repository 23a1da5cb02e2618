// Partners: registered, suspended; and the grants people gave them, listed and revoked.
import { createHash, timingSafeEqual } from 'node:crypto';
import { and, asc, eq, gt, isNull } from 'drizzle-orm';
import { dataScopes, isRecipient } from '../consent/vocabulary.ts';
import { isLoopback } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { hashSecret } from '../operations/accounts.ts';
import type { Reader, Tx } from '../store/store.ts';
import { oauthGrant, oauthRecord, partner as partnerTable } from '../store/tables.ts';
import type { Random } from '../system.ts';

/** Ask for aggregates under differential privacy; concerns no single person, so no person grants it. */
export const queryScope = 'dp:query';

export interface NewPartner {
  /** Lower-case letters, digits and dashes; also the OAuth client id. */
  readonly id: string;
  readonly name: string;
  /** https, or http on a loopback address; all on one host. Empty for a partner that only asks for aggregates. */
  readonly redirectUris: readonly string[];
  /** Of `dataScopes`, or `dp:query`. */
  readonly scopes: readonly string[];
  /** E-mail address people can write to. */
  readonly contact?: string;
  readonly company?: string;
  readonly siteUrl?: string;
}

/** Client metadata (RFC 7591) as stored; the secret is only there as a hash. */
export interface ClientMetadata {
  readonly client_id: string;
  readonly client_name: string;
  /** SHA-256 of the secret, hex. */
  readonly client_secret: string;
  readonly redirect_uris: readonly string[];
  readonly grant_types: readonly string[];
  readonly response_types: readonly string[];
  readonly token_endpoint_auth_method: 'client_secret_basic';
  readonly contacts?: readonly string[];
  readonly client_uri?: string;
  readonly company?: string;
  /** Blank-separated. */
  readonly data_scopes: string;
}

const limits = { nameLength: 100, redirectUris: 10, uriLength: 500 };

/**
 * Registers a partner in the caller's transaction.
 * @returns the secret, which is stored nowhere: only its SHA-256 is (it is 256 bits of chance, so that suffices)
 * @throws GatewayError `malformed_request`, `unknown_scope`, `conflict`
 */
export async function registerPartner(
  tx: Tx,
  partner: NewPartner,
  random: Random,
  nowMs: number,
): Promise<{ clientId: string; clientSecret: string }> {
  const clientSecret = Buffer.from(random.bytes(32)).toString('base64url');
  const metadata = clientMetadata(partner, hashSecret(clientSecret));
  const [taken] = await tx.db
    .select({ id: partnerTable.id })
    .from(partnerTable)
    .where(eq(partnerTable.id, partner.id));
  if (taken !== undefined) throw new GatewayError('conflict', 'there is a partner with this id');
  await tx.db.insert(partnerTable).values({
    id: partner.id,
    name: partner.name,
    status: 'active',
    client: JSON.stringify(metadata),
    createdMs: nowMs,
  });
  return { clientId: partner.id, clientSecret };
}

/** @throws GatewayError as `registerPartner` */
export function clientMetadata(partner: NewPartner, secretHash: string): ClientMetadata {
  const wrong = (what: string): GatewayError => new GatewayError('malformed_request', what);
  if (!isRecipient(`partner:${partner.id}`))
    throw wrong('a partner id has 1 to 64 lower-case letters, digits and dashes');
  if (partner.name.length === 0 || partner.name.length > limits.nameLength)
    throw wrong(`a partner's name has 1 to ${limits.nameLength} characters`);
  if (partner.scopes.length === 0) throw wrong('a partner needs at least one scope');
  for (const scope of partner.scopes) {
    if (scope !== queryScope && !dataScopes.includes(scope))
      throw new GatewayError('unknown_scope', undefined, { details: { scope } });
  }
  checkRedirects(partner.redirectUris);
  const asksPeople = partner.scopes.some((scope) => scope !== queryScope);
  if (asksPeople && partner.redirectUris.length === 0)
    throw wrong('a partner that asks people needs a redirect URI');
  if (partner.contact !== undefined && !/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(partner.contact))
    throw wrong('the contact must be an e-mail address');
  if (partner.siteUrl !== undefined && !isWebUrl(partner.siteUrl))
    throw wrong('the site must be an https URL');
  if ((partner.company?.length ?? 0) > limits.nameLength) throw wrong('the company name is too long');
  return {
    client_id: partner.id,
    client_name: partner.name,
    client_secret: secretHash,
    redirect_uris: asksPeople ? partner.redirectUris : [],
    grant_types: [
      ...(asksPeople ? ['authorization_code', 'refresh_token'] : []),
      ...(partner.scopes.includes(queryScope) ? ['client_credentials'] : []),
    ],
    response_types: asksPeople ? ['code'] : [],
    token_endpoint_auth_method: 'client_secret_basic',
    ...(partner.contact === undefined ? {} : { contacts: [partner.contact] }),
    ...(partner.siteUrl === undefined ? {} : { client_uri: partner.siteUrl }),
    ...(partner.company === undefined ? {} : { company: partner.company }),
    data_scopes: [...new Set(partner.scopes)].join(' '),
  };
}

function checkRedirects(uris: readonly string[]): void {
  if (uris.length > limits.redirectUris)
    throw new GatewayError('malformed_request', 'too many redirect URIs');
  const hosts = new Set<string>();
  for (const uri of uris) {
    if (uri.length > limits.uriLength || !isWebUrl(uri) || uri.includes('#'))
      throw new GatewayError(
        'malformed_request',
        'a redirect URI must be an https URL (http on loopback) without #',
      );
    hosts.add(new URL(uri).host);
  }
  // The subject a partner sees is made for it alone; OpenID Connect Core 8.1 ties that to one host.
  if (hosts.size > 1) throw new GatewayError('malformed_request', 'all redirect URIs must be on one host');
}

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** Compares in constant time. */
export function secretMatches(secretHash: string, presented: string): boolean {
  const expected = Buffer.from(secretHash, 'hex');
  const actual = createHash('sha256').update(presented).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/**
 * Stops a partner: from the next call on its tokens are refused and it cannot get new ones. Grants stay as they are.
 * @throws GatewayError `not_found`
 */
export async function suspendPartner(tx: Tx, id: string): Promise<void> {
  await setStatus(tx, id, 'suspended');
}

/** @throws GatewayError `not_found` */
export async function resumePartner(tx: Tx, id: string): Promise<void> {
  await setStatus(tx, id, 'active');
}

async function setStatus(tx: Tx, id: string, status: 'active' | 'suspended'): Promise<void> {
  const changed = await tx.db
    .update(partnerTable)
    .set({ status })
    .where(eq(partnerTable.id, id))
    .returning({ id: partnerTable.id });
  if (changed.length === 0) throw new GatewayError('not_found', 'no such partner');
}

/** What a person allowed a partner, until when. */
export interface ListedGrant {
  /** SHA-256 of the grant's id in the OAuth library, hex. */
  readonly id: string;
  readonly partner: string;
  readonly partnerName: string;
  readonly partnerStatus: 'active' | 'suspended';
  readonly scopes: readonly string[];
  readonly noticeHash: string | null;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** A person's live grants, oldest first. */
export async function listGrants(reader: Reader, person: string, nowMs: number): Promise<ListedGrant[]> {
  const rows = await reader.db
    .select({
      id: oauthGrant.id,
      partner: oauthGrant.partner,
      partnerName: partnerTable.name,
      partnerStatus: partnerTable.status,
      scopes: oauthGrant.scopes,
      noticeHash: oauthGrant.noticeHash,
      createdMs: oauthGrant.createdMs,
      expiresMs: oauthGrant.expiresMs,
    })
    .from(oauthGrant)
    .innerJoin(partnerTable, eq(partnerTable.id, oauthGrant.partner))
    .where(and(eq(oauthGrant.person, person), isNull(oauthGrant.revokedMs), gt(oauthGrant.expiresMs, nowMs)))
    .orderBy(asc(oauthGrant.createdMs), asc(oauthGrant.id));
  return rows.map((row) => ({
    ...row,
    partnerStatus: row.partnerStatus as ListedGrant['partnerStatus'],
    scopes: row.scopes.split(' ').filter((scope) => scope !== ''),
  }));
}

/**
 * Revokes every live grant of one person to one partner (undefined: to all), with all its codes and tokens, in the caller's
 * transaction: their next use is refused. Switches are not touched.
 * @returns how many grants were revoked
 */
export async function revokeGrants(
  tx: Tx,
  person: string,
  partner: string | undefined,
  nowMs: number,
): Promise<number> {
  const revoked = await tx.db
    .update(oauthGrant)
    .set({ revokedMs: nowMs })
    .where(
      and(
        eq(oauthGrant.person, person),
        isNull(oauthGrant.revokedMs),
        partner === undefined ? undefined : eq(oauthGrant.partner, partner),
      ),
    )
    .returning({ id: oauthGrant.id });
  for (const { id } of revoked) {
    await tx.db.delete(oauthRecord).where(eq(oauthRecord.grantHash, id));
    await tx.db.delete(oauthRecord).where(and(eq(oauthRecord.model, 'Grant'), eq(oauthRecord.hash, id)));
  }
  return revoked.length;
}
