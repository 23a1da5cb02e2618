// DPoP (RFC 9449) on our own routes: is this proof fresh, for this very request and token, and seen for the first time?
import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  jwtVerify,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose';
import { GatewayError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { System } from '../system.ts';
import { isNew } from './adapter.ts';
import { recordHash } from './record.ts';
import { boundKey } from './tokens.ts';

export interface DpopRequest {
  /** The `DPoP` header. */
  readonly proof: string;
  readonly method: string;
  /** As the caller reaches it: the public URL and the path, with or without query. */
  readonly url: string;
  readonly token: string;
}

const limits = { proofLength: 4096, jtiLength: 256, windowMs: 60_000 };
const algorithms = ['ES256', 'Ed25519', 'EdDSA'];

/**
 * Checks a proof and remembers it, durably, for as long as it could be sent again.
 * @returns the RFC 7638 thumbprint of the key, for `identifyPartner`, which compares it in its own transaction
 * @throws GatewayError `invalid_token`
 */
export async function checkDpop(
  { store, system }: { readonly store: Store; readonly system: Pick<System, 'clock'> },
  request: DpopRequest,
): Promise<{ jkt: string }> {
  const nowMs = system.clock.nowMs();
  if (request.proof.length > limits.proofLength) throw invalid('is too long');
  const { payload, protectedHeader } = await verify(request.proof, nowMs);
  const { jti, iat, htm, htu, ath } = payload;
  if (htm !== request.method) throw invalid('is for another method');
  if (typeof htu !== 'string' || withoutQuery(htu) !== withoutQuery(request.url))
    throw invalid('is for another URL');
  if (ath !== createHash('sha256').update(request.token).digest('base64url'))
    throw invalid('is for another token');
  if (typeof iat !== 'number' || Math.abs(nowMs - iat * 1000) > limits.windowMs)
    throw invalid('is not recent');
  if (typeof jti !== 'string' || jti === '' || jti.length > limits.jtiLength)
    throw invalid('has no usable jti');

  const { jwk } = protectedHeader;
  if (jwk === undefined) throw invalid('has no key');
  const jkt = await calculateJwkThumbprint(jwk);
  // Only who holds a token bound to this key gets as far as writing: anyone can make keys and proofs.
  if ((await store.read((reader) => boundKey(reader, request.token))) !== jkt)
    throw invalid('is not of the key this token is bound to');
  const row = {
    model: 'DpopReplay',
    hash: recordHash(`${jkt}.${createHash('sha256').update(jti).digest('hex')}`),
    payload: '{}',
    grantHash: null,
    uidHash: null,
    account: null,
    expiresMs: iat * 1000 + limits.windowMs + 1000,
  };
  if (!(await store.write((tx) => isNew(tx, row, nowMs)))) throw invalid('was used before');
  return { jkt };
}

async function verify(
  proof: string,
  nowMs: number,
): Promise<{ payload: JWTPayload; protectedHeader: JWTHeaderParameters }> {
  try {
    return await jwtVerify(proof, EmbeddedJWK, { algorithms, typ: 'dpop+jwt', currentDate: new Date(nowMs) });
  } catch (cause) {
    throw invalid('cannot be verified', cause);
  }
}

function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.origin + url.pathname;
}

function invalid(why: string, cause?: unknown): GatewayError {
  return new GatewayError('invalid_token', `the DPoP proof ${why}`, {
    cause,
    details: { dpop: 'invalid_dpop_proof' },
  });
}
