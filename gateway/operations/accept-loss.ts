// Goes on after entries were lost for good: under a new name, with the loss on the record. The old name's heads on the
// chain and at witnesses stay what they are, evidence against the old log; nobody can take the new one for it.
import { eq, ne } from 'drizzle-orm';
import { formatVerifierKey } from '../audit/note.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { anchor, cosignature, oauthRecord, session, setting, staffToken } from '../store/tables.ts';
import { staffRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

/** What somebody outside knows of the log that this folder does not hold. */
export interface KnownHead {
  readonly by: 'chain' | 'witness';
  /** Size of the head known there. */
  readonly known: number;
}

export interface LossOrder {
  readonly newOrigin: string;
  /** Entries held here. */
  readonly held: number;
  /** Not empty: without a contradiction nothing is lost. */
  readonly heads: readonly KnownHead[];
}

/**
 * Renames the log and appends the entry that says why, in one transaction. Sessions, tokens and the like are dropped:
 * what was ended or revoked in the lost entries must not live again.
 *
 * @throws GatewayError `malformed_request` for a name that is none, `conflict` for one that was used before
 */
export async function acceptLoss(
  parts: OperationParts,
  operator: string,
  order: LossOrder,
): Promise<Released<{ readonly formerOrigins: readonly string[] }>> {
  const { newOrigin, held, heads } = order;
  checkOrigin(newOrigin);
  const oldOrigin = parts.config.origin;
  const formerOrigins = [...(await readFormerOrigins(parts)), oldOrigin];
  if (formerOrigins.includes(newOrigin))
    throw new GatewayError('conflict', `this log had the name ${newOrigin} before; a new one is needed`);
  const request = staffRequest({ kind: 'operator', id: operator }, 'administer', {
    incident: 'entries-lost',
    old_origin: oldOrigin,
    new_origin: newOrigin,
    held_entries: held,
    known_heads: heads.map(({ by, known }) => ({ by, size: known })),
  });
  return parts.gate.run(request, async (_permit, tx) => {
    await tx.db.update(setting).set({ value: newOrigin }).where(eq(setting.name, 'origin'));
    const value = JSON.stringify(formerOrigins);
    await tx.db
      .insert(setting)
      .values({ name: formerOriginsSetting, value })
      .onConflictDoUpdate({ target: setting.name, set: { value } });
    // Anchors and cosignatures of the old name prove nothing of the new one; bundles made with them hold their own.
    const changedMs = parts.system.clock.nowMs();
    await tx.db.update(anchor).set({ state: 'lost', changedMs }).where(ne(anchor.state, 'failed'));
    for (const table of [cosignature, session, staffToken, oauthRecord]) await tx.db.delete(table);
    return { value: { formerOrigins }, kind: 'incident', keyClass: 'evidence' };
  });
}

export const formerOriginsSetting = 'former_origins';

async function readFormerOrigins({ read }: OperationParts): Promise<string[]> {
  const [row] = await read(async (reader) =>
    reader.db.select().from(setting).where(eq(setting.name, formerOriginsSetting)),
  );
  return row === undefined ? [] : (JSON.parse(row.value) as string[]);
}

/** As strict as a verifier key is about its name. */
function checkOrigin(origin: string): void {
  try {
    if (origin.length > 255) throw new Error('too long');
    formatVerifierKey(origin, new Uint8Array(32));
  } catch (cause) {
    throw new GatewayError(
      'malformed_request',
      'the name of a log is at most 255 characters, like gateway.example/log/2: no spaces, no plus signs',
      { cause },
    );
  }
}
