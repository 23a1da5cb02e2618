// The key that signs ID tokens: ES256, made from a seed, so that a restart or a second process has the same.
import { createECDH, hkdfSync } from 'node:crypto';
import type { JWK } from 'oidc-provider';

const orderOfP256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** @see FIPS 186-5 A.2.1: 64 bits more than the order, reduced, so that the bias does not matter */
export function signingKey(seed: Uint8Array): JWK {
  const wide = Buffer.from(hkdfSync('sha256', seed, '', 'assent/v1/oidc-signing-key', 40)).toString('hex');
  const scalar = (BigInt(`0x${wide}`) % (orderOfP256 - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex');
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const text = (bytes: Buffer): string => bytes.toString('base64url');
  return {
    kty: 'EC',
    crv: 'P-256',
    use: 'sig',
    alg: 'ES256',
    d: text(d),
    x: text(point.subarray(1, 33)),
    y: text(point.subarray(33)),
  };
}
