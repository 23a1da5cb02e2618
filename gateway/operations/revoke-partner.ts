// A person ends everything a partner has: grant, tokens, and the switches that name it.
import { and, eq } from 'drizzle-orm';
import { loadPerson, turnSwitch } from '../consent/switches.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { revokeGrants } from '../oauth/partners.ts';
import { oauthGrant } from '../store/tables.ts';
import { ownRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

/** From the moment this resolves, the partner's tokens for this person are worth nothing. */
export async function revokePartner(
  parts: OperationParts,
  person: string,
  grant: string,
): Promise<Released<number>> {
  const nowMs = parts.system.clock.nowMs();
  if (!/^[0-9a-f]{64}$/.test(grant)) throw new GatewayError('not_found', 'there is no such grant');
  return parts.gate.run(ownRequest(person, 'revoke-partner', { about: { grant } }), async (_permit, tx) => {
    // Looked up after the decision: that somebody tried another person's grant is an entry too.
    const [row] = await tx.db
      .select({ partner: oauthGrant.partner })
      .from(oauthGrant)
      .where(and(eq(oauthGrant.id, grant), eq(oauthGrant.person, person)));
    if (row === undefined) throw new GatewayError('not_found', 'there is no such grant');
    const { partner } = row;
    const ended = await revokeGrants(tx, person, partner, nowMs);
    const recipient = `partner:${partner}` as const;
    for (const one of (await loadPerson(tx, person))?.switches ?? []) {
      if (one.recipient !== recipient || one.state === 'off') continue;
      const { category, purpose } = one;
      await turnSwitch(
        tx,
        {
          person,
          category,
          purpose,
          recipient,
          action: 'off',
          method: 'portal',
          noticeHash: null,
          validUntilMs: null,
          extent: {},
          collectedMs: nowMs,
        },
        nowMs,
      );
    }
    return { value: ended, kind: 'consent', keyClass: 'evidence', about: { partner } };
  });
}
