// Files of every kind for the verification page, made by the real parts: for its tests and its pictures.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { emptyState, stateText, withHead, type Head } from '../../gateway/audit/state.ts';
import { parseTrust, trustText, verifyFile } from '../../gateway/audit/verify.ts';
import { currentNotice } from '../../gateway/consent/notices.ts';
import { Refusal } from '../../gateway/gate.ts';
import { exportEvidence } from '../../gateway/operations/export-evidence.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { trainRecommender } from '../../gateway/operations/train-recommender.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { consentReceipt, fetchErasure } from '../../gateway/rights/receipts.ts';
import { holderKey } from '../../gateway/store/tables.ts';
import { addStaff } from '../../gateway/operations/accounts.ts';
import { makeEvidencePack } from '../../gateway/portal/evidence-archive.ts';
import * as example from '../audit/example-log.ts';
import * as made from '../audit/person-log.ts';
import {
  addPartner,
  addPerson,
  closeCore,
  dayMs,
  openTestCore,
  partnerRead,
  type TestCore,
} from '../support/core.ts';

/** Names of the files; each is written as `<name>.json`. */
export const verifyFileNames = [
  'trust',
  'trust-with-chain',
  'trust-of-another',
  'entry',
  'person',
  'person-later',
  'person-of-another',
  'evidence-period',
  'evidence-partner',
  'receipt-consent',
  'receipt-erasure',
  'state-before',
  'state-contradicting',
  'state-of-another',
  'many',
  'many-trust',
] as const;
export type VerifyFileName = (typeof verifyFileNames)[number];

/** Names of the evidence packs; each is written as `<name>.zip`. */
export const verifyPackNames = ['pack-person', 'pack-period'] as const;
export type VerifyPackName = (typeof verifyPackNames)[number];

/** How many entries the file `many` shows. */
export const manyCount = 3000;

/** Writes all of them into the folder. */
export async function writeVerifyFiles(folder: string): Promise<void> {
  const { packs, texts } = await ofTheGateway();
  const files = { ...texts, ...(await ofManyEntries()) };
  for (const name of verifyFileNames) writeFileSync(join(folder, `${name}.json`), files[name]);
  for (const name of verifyPackNames) writeFileSync(join(folder, `${name}.zip`), packs[name]);
}

async function ofTheGateway(): Promise<{
  readonly texts: Record<Exclude<VerifyFileName, 'many' | 'many-trust'>, string>;
  readonly packs: Record<VerifyPackName, Uint8Array>;
}> {
  const core = await openTestCore();
  const another = await openTestCore();
  const receipts = { operations: core.operations, sealSigner: core.sealSigner };
  const later = (minutes: number) => core.clock.advance(minutes * 60_000);

  await addPartner(core);
  for (const id of ['lin', 'mei', 'bo']) await addPerson(core, id, { browsed: ['i1', 'i2', 'i3'] });
  for (const id of ['lin', 'mei']) await flip(core, id, 'on');
  later(7);
  await trainRecommender(core.operations, { kind: 'operator', id: 'cli' });
  await lookAtOwn(core, 'lin');
  const person = await core.prover.person('lin');
  const trust = await core.prover.trust();
  const head = headOf(person, trust);

  later(190);
  await flip(core, 'lin', 'off');
  await beRefused(core, 'lin');
  await lookAtOwn(core, 'lin');
  // As after an erasure: the entry is there, and nobody can read it.
  await core.store.write(async (tx) => {
    await tx.db.update(holderKey).set({ data: null }).where(eq(holderKey.holder, 'person:lin'));
  });
  const personLater = await core.prover.person('lin', head.size);
  const own = verifyFile(personLater, trust).subject;
  if (own?.kind !== 'person') throw new Error('not about a person');
  const [turnedOff, refused] = own.indices as [number, number];

  later(3);
  const evidence = (kind: 'period' | 'partner', value: string) =>
    exportEvidence({ ...receipts, prover: core.prover }, 'ada', {
      kind,
      value,
      fromMs: core.clock.nowMs() - dayMs,
      toMs: core.clock.nowMs() - 60_000,
    });
  const period = await evidence('period', '');
  const partner = await evidence('partner', 'shop');
  const consent = await consentReceipt(receipts, 'lin', turnedOff);
  const { value: erased } = await erasePerson(core.operations, { kind: 'person', person: 'bo' });
  await resumeErasures(core.operations);
  const { value: fetched } = await fetchErasure(receipts, erased.code);
  if (fetched.receipt === null) throw new Error('the erasure is not complete');

  const { value: officer } = await addStaff(core.operations, 'op', {
    userName: 'He Yan',
    role: 'officer',
    password: 'a long enough password',
  });
  later(2);
  const pack = async (kind: 'person' | 'period', value: string) => {
    const toMs = kind === 'period' ? core.clock.nowMs() - 60_000 : null;
    const fromMs = kind === 'period' ? core.clock.nowMs() - dayMs : null;
    return (await makeEvidencePack(core, officer, { kind, value, fromMs, toMs })).bytes;
  };
  const packs = { 'pack-person': await pack('person', 'test:mei'), 'pack-period': await pack('period', '') };

  const texts = {
    trust,
    'trust-with-chain': trustText({ ...parseTrust(trust), chain: example.chain }),
    'trust-of-another': await another.prover.trust(),
    entry: await core.prover.bundle(refused, true),
    person,
    'person-later': personLater,
    'person-of-another': await core.prover.person('mei'),
    'evidence-period': period.value.evidence,
    'evidence-partner': partner.value.evidence,
    'receipt-consent': consent.value,
    'receipt-erasure': fetched.receipt,
    'state-before': stateText(withHead(emptyState(core.config.origin), head)),
    'state-contradicting': stateText(
      withHead(emptyState(core.config.origin), { size: head.size, root: new Uint8Array(32).fill(7) }),
    ),
    'state-of-another': stateText(emptyState('another.example/log')),
  };
  for (const one of [core, another]) await closeCore(one);
  return { texts, packs };
}

function headOf(file: string, trust: string): Head {
  const { head } = verifyFile(file, trust);
  if (head === undefined) throw new Error('a file without a head');
  return head;
}

async function flip(core: TestCore, person: string, action: 'on' | 'off'): Promise<void> {
  const notice = await core.store.read((reader) => currentNotice(reader, 'recommendation', 'en'));
  await setSwitches(core.operations, person, [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'engine:recommend',
      action,
      noticeHash: notice.hash,
    },
  ]);
}

async function lookAtOwn(core: TestCore, person: string): Promise<void> {
  await core.gate.run(
    {
      caller: { kind: 'person', id: person },
      operation: 'view-own',
      purpose: 'service',
      categories: ['profile'],
      recipients: ['self'],
      person,
      grant: null,
    },
    async () => ({ value: null, keyClass: 'data' }),
  );
}

async function beRefused(core: TestCore, person: string): Promise<void> {
  try {
    await core.gate.run(partnerRead(person), async () => ({ value: null }));
  } catch (error) {
    if (error instanceof Refusal) return;
    throw error;
  }
  throw new Error('was not refused');
}

async function ofManyEntries(): Promise<Record<'many' | 'many-trust', string>> {
  const says = {
    purpose: 'recommendation',
    caller: { id: 'shop', kind: 'partner' },
    categories: ['browsing'],
  };
  // Words that every object in JavaScript knows, and that mean nothing here.
  const odd = {
    purpose: 'valueOf',
    caller: { id: 'shop', kind: 'constructor' },
    categories: ['toString'],
    operation: 'constructor',
    decision: 'hasOwnProperty',
  };
  const plan: made.Planned[] = Array.from({ length: manyCount }, (_, index) => ({
    person: 0,
    says: index === manyCount - 2 ? odd : says,
  }));
  const log = made.buildLog([...plan, 'head']);
  const bundle = await log.person(0, manyCount + 1);
  return { many: await made.sealAnything(bundle), 'many-trust': trustText({ ...made.trust, chain: null }) };
}
