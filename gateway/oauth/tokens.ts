// Who presents this access token, and what may they still do? Looked up in the gate's own transaction on every call.
//
// The library's checks are repeated here because the library, asked in the process, honours a token whose grant is
// gone or narrowed (consent.md 2.1, R2 and R3). Whether the switches allow the use is the gate's to decide.
import { and, eq } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import type { GrantState } from '../consent/decide.ts';
import { GatewayError } from '../errors.ts';
import { bound, fixed, query, type Reader } from '../store/store.ts';
import { oauthGrant, oauthRecord, partner } from '../store/tables.ts';
import { openRecord, recordHash, type RecordPayload } from './record.ts';

export interface PresentedToken {
  /** Of the `Authorization` header. */
  readonly scheme: 'Bearer' | 'DPoP';
  readonly token: string;
  /** Of the DPoP proof that came with it, already checked (dpop.ts): RFC 7638 thumbprint of its key. */
  readonly dpopProof?: { readonly jkt: string };
}

export interface IdentifiedPartner {
  readonly caller: { readonly kind: 'partner'; readonly id: string };
  /** Null for a token the partner got for itself (client credentials). */
  readonly person: string | null;
  readonly grant: GrantState | null;
  /** Of the token, as far as the grant still covers them. */
  readonly scopes: readonly string[];
}

const grantRecord = alias(oauthRecord, 'grant_record');
/** One read finds all there is to know about a person's token; the partner is the grant's. */
const tokenOfPerson = query((db) =>
  db
    .select({
      payload: oauthRecord.payload,
      expiresMs: oauthRecord.expiresMs,
      grantHash: oauthRecord.grantHash,
      grantPayload: grantRecord.payload,
      grantRecordExpiresMs: grantRecord.expiresMs,
      person: oauthGrant.person,
      partner: oauthGrant.partner,
      scopes: oauthGrant.scopes,
      grantExpiresMs: oauthGrant.expiresMs,
      revokedMs: oauthGrant.revokedMs,
      partnerStatus: partner.status,
    })
    .from(oauthRecord)
    .leftJoin(
      grantRecord,
      and(eq(grantRecord.model, fixed('Grant')), eq(grantRecord.hash, oauthRecord.grantHash)),
    )
    .leftJoin(oauthGrant, eq(oauthGrant.id, oauthRecord.grantHash))
    .leftJoin(partner, eq(partner.id, oauthGrant.partner))
    .where(and(eq(oauthRecord.model, fixed('AccessToken')), eq(oauthRecord.hash, bound('hash')))),
);
const tokenOfPartner = query((db) =>
  db
    .select({ payload: oauthRecord.payload, expiresMs: oauthRecord.expiresMs })
    .from(oauthRecord)
    .where(and(eq(oauthRecord.model, fixed('ClientCredentials')), eq(oauthRecord.hash, bound('hash')))),
);
const partnerStatus = query((db) =>
  db
    .select({ status: partner.status })
    .from(partner)
    .where(eq(partner.id, bound('id'))),
);

/**
 * The partner (and person) behind a token.
 *
 * @param reader the gate's transaction
 * @param audience the resource the call is for (`resourceOf` in provider.ts)
 * @throws GatewayError `invalid_token` for anything wrong: kind, expiry, audience, proof of possession, partner
 * suspended, grant gone, revoked, expired or of someone else
 */
export async function identifyPartner(
  reader: Reader,
  presented: PresentedToken,
  nowMs: number,
  audience: string,
): Promise<IdentifiedPartner> {
  const hash = recordHash(presented.token as unknown);
  if (hash === undefined) throw new GatewayError('invalid_token');
  const [row] = await reader.run(tokenOfPerson, { hash });
  if (row === undefined) return identifyByOwnToken(reader, presented, hash, nowMs, audience);
  const {
    clientId,
    accountId: person,
    grantId,
    scope,
  } = openToken('AccessToken', presented, hash, row, nowMs, audience);
  if (typeof grantId !== 'string' || row.grantHash === null || row.grantPayload === null)
    throw new GatewayError('invalid_token');
  const grant = opened('Grant', row.grantHash, grantId, row.grantPayload);
  if (
    grant === undefined ||
    grant['clientId'] !== clientId ||
    grant['accountId'] !== person ||
    isPast(row.grantRecordExpiresMs, nowMs) ||
    isPast(secondsToMs(grant['exp']), nowMs) ||
    row.person === null ||
    row.person !== person ||
    row.partner === null ||
    row.partner !== clientId ||
    row.revokedMs !== null ||
    isPast(row.grantExpiresMs, nowMs) ||
    row.partnerStatus !== 'active'
  ) {
    throw new GatewayError('invalid_token');
  }
  const inGrant = grantedScopes(grant, audience);
  const inOurs = words(row.scopes);
  const live = words(scope).filter((word) => inGrant.includes(word) && inOurs.includes(word));
  return {
    caller: { kind: 'partner', id: row.partner },
    person: row.person,
    grant: { live: true, person: row.person, scopes: live },
    scopes: live,
  };
}

/** A token the partner got with its own credentials. */
async function identifyByOwnToken(
  reader: Reader,
  presented: PresentedToken,
  hash: string,
  nowMs: number,
  audience: string,
): Promise<IdentifiedPartner> {
  const [row] = await reader.run(tokenOfPartner, { hash });
  if (row === undefined) throw new GatewayError('invalid_token');
  const { clientId, scope } = openToken('ClientCredentials', presented, hash, row, nowMs, audience);
  if (typeof clientId !== 'string') throw new GatewayError('invalid_token');
  const [registered] = await reader.run(partnerStatus, { id: clientId });
  if (registered?.status !== 'active') throw new GatewayError('invalid_token');
  return { caller: { kind: 'partner', id: clientId }, person: null, grant: null, scopes: words(scope) };
}

interface TokenPayload {
  readonly clientId?: unknown;
  readonly accountId?: unknown;
  readonly grantId?: unknown;
  readonly scope?: unknown;
}

/** The token's own content, if it is of this kind, for this audience, not past, and held by who presents it. */
function openToken(
  kind: 'AccessToken' | 'ClientCredentials',
  presented: PresentedToken,
  hash: string,
  row: { readonly payload: string; readonly expiresMs: number | null },
  nowMs: number,
  audience: string,
): TokenPayload {
  const token = opened(kind, hash, presented.token, row.payload);
  if (
    token === undefined ||
    token['kind'] !== kind ||
    token['aud'] !== audience ||
    isPast(row.expiresMs, nowMs) ||
    isPast(secondsToMs(token['exp']), nowMs)
  ) {
    throw new GatewayError('invalid_token');
  }
  checkPossession(token['jkt'], presented);
  return token;
}

/** RFC 7638 thumbprint of the key a token is bound to; undefined when there is no such token or it is bound to none. */
export async function boundKey(reader: Reader, token: string): Promise<string | undefined> {
  const hash = recordHash(token as unknown);
  if (hash === undefined) return undefined;
  const [ofPerson] = await reader.run(tokenOfPerson, { hash });
  const [row] = ofPerson === undefined ? await reader.run(tokenOfPartner, { hash }) : [ofPerson];
  if (row === undefined) return undefined;
  const model = ofPerson === undefined ? 'ClientCredentials' : 'AccessToken';
  const jkt = opened(model, hash, token, row.payload)?.['jkt'];
  return typeof jkt === 'string' ? jkt : undefined;
}

/** A token bound to a key needs a proof with that key; one that is not must not claim to be (RFC 9449 section 7.1). */
function checkPossession(jkt: unknown, { scheme, dpopProof }: PresentedToken): void {
  const fits =
    jkt === undefined
      ? scheme === 'Bearer'
      : scheme === 'DPoP' && dpopProof !== undefined && dpopProof.jkt === jkt;
  if (!fits) throw new GatewayError('invalid_token');
}

/** What the grant covers: granted less rejected, as the library counts it. */
function grantedScopes(grant: RecordPayload, resource: string): string[] {
  const { resources, rejected } = grant as GrantPayload;
  const refused = words(rejected?.resources?.[resource]);
  return words(resources?.[resource]).filter((scope) => !refused.includes(scope));
}

interface GrantPayload {
  readonly resources?: Readonly<Record<string, string>>;
  readonly rejected?: { readonly resources?: Readonly<Record<string, string>> };
}

function words(text: unknown): string[] {
  return typeof text === 'string' && text !== '' ? text.split(' ') : [];
}

function secondsToMs(seconds: unknown): number | null {
  return typeof seconds === 'number' ? seconds * 1000 : null;
}

/** What has no end is treated as ended: every token and grant here has one. */
function isPast(endMs: number | null, nowMs: number): boolean {
  return endMs === null || endMs <= nowMs;
}

const openedLimit = 10_000;
const openedPayloads = new Map<string, { sealed: string; payload: RecordPayload }>();

/** Opens a payload, or remembers it: the row itself is read every time, and must still be the same. */
function opened(model: string, hash: string, id: string, sealed: string): RecordPayload | undefined {
  const known = openedPayloads.get(hash);
  if (known !== undefined && known.sealed === sealed) return known.payload;
  const payload = openRecord(model, id, sealed);
  if (payload === undefined) return undefined;
  if (openedPayloads.size >= openedLimit) openedPayloads.delete(openedPayloads.keys().next().value ?? '');
  openedPayloads.set(hash, { sealed, payload });
  return payload;
}
