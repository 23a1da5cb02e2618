// The list that keeps an erased person from being imported again: keyed hashes of their references, nothing else.
import { createHmac } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { OperationParts } from '../operations/parts.ts';
import { bound, fixed, query, type Reader, type Tx } from '../store/store.ts';
import { suppression } from '../store/tables.ts';
import type { ErasedMark } from './erased-list.ts';

const byHash = query((db) =>
  db
    .select({ hash: suppression.hash })
    .from(suppression)
    .where(eq(suppression.hash, bound('hash'))),
);
const anyone = query((db) => db.select({ hash: suppression.hash }).from(suppression).limit(fixed(1)));

/**
 * @param reference `SOURCE:KEY`, as `person.reference`
 * @returns HMAC-SHA256 in hex; who has not the gateway's key cannot test whether somebody is on the list
 */
function hashOf(parts: Pick<OperationParts, 'boundingKey'>, reference: string): string {
  return createHmac('sha256', parts.boundingKey).update(`assent/v1/suppression\0${reference}`).digest('hex');
}

/** How the list beside the database names somebody by their reference. */
export function markOfReference(parts: Pick<OperationParts, 'boundingKey'>, reference: string): ErasedMark {
  return { kind: 'reference', hash: hashOf(parts, reference) };
}

/** The same by their id. */
export function markOfPerson({ boundingKey }: Pick<OperationParts, 'boundingKey'>, id: string): ErasedMark {
  const hash = createHmac('sha256', boundingKey).update(`assent/v1/erased-person\0${id}`).digest('hex');
  return { kind: 'person', hash };
}

export async function suppress(
  tx: Tx,
  parts: Pick<OperationParts, 'boundingKey'>,
  reference: string,
  sinceMs: number,
): Promise<void> {
  await tx.db
    .insert(suppression)
    .values({ hash: hashOf(parts, reference), sinceMs })
    .onConflictDoNothing();
}

export interface Suppressed {
  /** Whether this person's rows must not come in. */
  person(source: string, key: string): Promise<boolean>;
  /** Whether a text that could not be read as a row names such a person. */
  text(source: string, raw: string): Promise<boolean>;
}

const nobody: Suppressed = { person: async () => false, text: async () => false };

/** The list as it is in this transaction. */
export async function suppressedIn(
  reader: Reader,
  parts: Pick<OperationParts, 'boundingKey'>,
): Promise<Suppressed> {
  if ((await reader.run(anyone)).length === 0) return nobody;
  const person = async (source: string, key: string): Promise<boolean> =>
    (await reader.run(byHash, { hash: hashOf(parts, `${source}:${key}`) })).length > 0;
  return {
    person,
    async text(source, raw) {
      for (const word of new Set(wordsOf(raw))) if (await person(source, word)) return true;
      return false;
    },
  };
}

/** The words of a row whatever its form; a reference is one of them, unless it holds a separator itself. */
export function wordsOf(raw: string): string[] {
  return raw
    .slice(0, 65_536)
    .split(/[\s,;|"'{}[\]]+/)
    .flatMap((word) => [word, word.replace(/^[^:]*:/, '')])
    .filter((word) => word !== '');
}
