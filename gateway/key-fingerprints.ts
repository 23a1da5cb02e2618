// Several processes on one database must have the same keys, and a restored folder its own: what a key file held at the
// first start is remembered as a fingerprint, from which nothing of the key can be told.
import { createHash, createHmac } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { GatewayError } from './errors.ts';
import type { KeyFile, Keys } from './key-files.ts';
import type { Store } from './store/store.ts';
import { setting } from './store/tables.ts';

const name = 'key-fingerprints';

/**
 * Notes the fingerprints of key files that were never seen, and compares the others.
 * @throws GatewayError `config_invalid` naming the files that hold other keys than the data belongs to
 */
export async function checkFingerprints(store: Store, keys: Keys, folder: string): Promise<void> {
  const ours = Object.fromEntries(
    (Object.entries(keys) as [KeyFile, Uint8Array][]).map(([file, key]) => [file, fingerprintOf(file, key)]),
  );
  const others = await store.write(async (tx) => {
    const [row] = await tx.db.select().from(setting).where(eq(setting.name, name));
    const known = row === undefined ? {} : (JSON.parse(row.value) as Record<string, string>);
    const different = Object.keys(ours).filter((file) => (known[file] ?? ours[file]) !== ours[file]);
    const value = JSON.stringify({ ...ours, ...known });
    if (different.length === 0 && value !== row?.value)
      await tx.db
        .insert(setting)
        .values({ name, value })
        .onConflictDoUpdate({ target: setting.name, set: { value } });
    return different;
  });
  if (others.length === 0) return;
  throw new GatewayError(
    'config_invalid',
    `${others.map((file) => `${folder}/${file}`).join(', ')}: not the key this data belongs to; all gateways on one database have the same keys: copy the whole folder from the first`,
  );
}

/** One way twice: a MAC under the key says nothing of it, and its hash does not even let a guess be used as a MAC. */
function fingerprintOf(file: string, key: Uint8Array): string {
  const derived = createHmac('sha256', key).update(`assent key fingerprint v1 ${file}`).digest();
  return createHash('sha256').update(derived).digest('hex').slice(0, 32);
}
