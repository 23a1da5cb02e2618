// Who presents this access token, and what may they still do? Looked up in the gate's own transaction on every call.
//
// The library's checks are repeated here because the library, asked in the process, honours a token whose grant is
// gone or narrowed (consent.md 2.1, R2 and R3). Whether the switches allow the use is the gate's to decide.
import { and, eq, inArray, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import type { GrantState } from '../consent/decide.ts';
import { GatewayError } from '../errors.ts';
import { query, type Reader } from '../store/store.ts';
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
const tokenByHash = query((db) =>
  db
    .select({
      model: oauthRecord.model,
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
    })
    .from(oauthRecord)
    .leftJoin(grantRecord, and(eq(grantRecord.model, 'Grant'), eq(grantRecord.hash, oauthRecord.grantHash)))
    .leftJoin(oauthGrant, eq(oauthGrant.id, oauthRecord.grantHash))
    .where(
      and(
        inArray(oauthRecord.model, ['AccessToken', 'ClientCredentials']),
        eq(oauthRecord.hash, sql.placeholder('hash')),
      ),
    ),
);
const partnerStatus = query((db) =>
  db
    .select({ status: partner.status })
    .from(partner)
    .where(eq(partner.id, sql.placeholder('id'))),
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
  const [row] = await reader.run(tokenByHash, { hash });
  if (row === undefined) throw new GatewayError('invalid_token');
  const token = opened(row.model, hash, presented.token, row.payload);
  if (
    token === undefined ||
    token['kind'] !== row.model ||
    token['aud'] !== audience ||
    isPast(row.expiresMs, nowMs) ||
    isPast(secondsToMs(token['exp']), nowMs)
  ) {
    throw new GatewayError('invalid_token');
  }
  checkPossession(token['jkt'], presented);
  const { clientId } = token;
  if (typeof clientId !== 'string') throw new GatewayError('invalid_token');
  const [registered] = await reader.run(partnerStatus, { id: clientId });
  if (registered?.status !== 'active') throw new GatewayError('invalid_token');
  const caller = { kind: 'partner', id: clientId } as const;
  const scopes = words(token['scope']);
  if (row.model === 'ClientCredentials') return { caller, person: null, grant: null, scopes };

  const { accountId: person, grantId } = token;
  if (typeof person !== 'string' || typeof grantId !== 'string' || row.grantPayload === null)
    throw new GatewayError('invalid_token');
  const grant = opened('Grant', row.grantHash ?? '', grantId, row.grantPayload);
  if (
    grant === undefined ||
    grant['clientId'] !== clientId ||
    grant['accountId'] !== person ||
    isPast(row.grantRecordExpiresMs, nowMs) ||
    isPast(secondsToMs(grant['exp']), nowMs) ||
    row.person !== person ||
    row.partner !== clientId ||
    row.revokedMs !== null ||
    isPast(row.grantExpiresMs, nowMs)
  ) {
    throw new GatewayError('invalid_token');
  }
  const inGrant = grantedScopes(grant, audience);
  const inOurs = words(row.scopes);
  const live = scopes.filter((scope) => inGrant.includes(scope) && inOurs.includes(scope));
  return { caller, person, grant: { live: true, person, scopes: live }, scopes: live };
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
