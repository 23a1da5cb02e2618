import { expect, it } from 'vitest';
import { verifyPack } from '../../gateway/audit/archive.ts';
import { toBase64, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import { verifyArchive } from '../../gateway/audit/offline.ts';
import { trustText } from '../../gateway/audit/verify.ts';
import { packZip } from '../../gateway/audit/zip.ts';
import * as made from './person-log.ts';

const trustFile = toUtf8(trustText({ ...made.trust, chain: null }));
const [, size = 0] = made.buildLog(made.examplePlan).sizes;

/** Evidence of one log and the person's bundle of another one, in one pack. */
async function packOf(evidenceLog: made.PersonLog, personLog: made.PersonLog): Promise<Uint8Array> {
  const indices = evidenceLog.about(0, size);
  const evidence = await made.sealAnything({
    format: 'assent-evidence/v1',
    origin: made.origin,
    selection: { kind: 'person', value: toHex(made.tagOf(0)), from: null, to: null },
    range: null,
    checkpoint: await evidenceLog.checkpoint(size),
    entries: indices.map((index) => evidenceLog.shown(index)),
    paths: multiProof(evidenceLog.tree, indices, size).map(toBase64),
    notices: [],
    receipts: [],
    anchor: null,
    madeAt: '2026-01-02T00:00:00.000Z',
  });
  const person = await made.sealAnything(await personLog.person(0, size));
  return packZip(
    new Map([
      ['evidence.json', toUtf8(evidence)],
      ['person.json', toUtf8(person)],
    ]),
    Date.UTC(2026, 0, 2),
  );
}

it('a pack whose files come from two versions of one log does not hold, and neither head is offered for keeping', async () => {
  const log = made.buildLog(made.examplePlan);
  const forked = made.buildLog(made.examplePlan.map((one, index) => (index === 7 ? { person: 2 } : one)));
  const honest = await packOf(log, log);
  expect(verifyPack(honest, trustFile).verdict).toBe('holds');
  expect(verifyArchive(honest, trustFile, undefined)).toMatchObject({ ending: 'holds' });

  const split = await packOf(log, forked);
  const { verdict, members } = verifyPack(split, trustFile);
  expect(verdict).toBe('does-not-hold');
  expect(members.filter(({ isWrong }) => isWrong)).toMatchObject([
    {
      name: 'person.json',
      state: 'does-not-hold',
      detail: expect.stringContaining('two versions of one log'),
    },
  ]);
  const found = verifyArchive(split, trustFile, undefined);
  expect(found.ending).toBe('does-not-hold');
  expect(found.keep).toBeUndefined();
});
