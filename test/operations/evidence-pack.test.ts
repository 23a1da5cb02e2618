// The officer's evidence pack from a real log: what is in it, who hears of it, and that nothing can be exchanged.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packEvidence, verifyPack, type Member } from '../../gateway/audit/archive.ts';
import { fromBase64, fromUtf8, toBase64, toUtf8 } from '../../gateway/audit/bytes.ts';
import { parsePayload } from '../../gateway/audit/entry.ts';
import { parseEvidence, sealEvidence, type Evidence } from '../../gateway/audit/evidence.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import { parseCheckpoint, parseNote } from '../../gateway/audit/note.ts';
import { parsePersonBundle } from '../../gateway/audit/person-bundle.ts';
import { parseTrust, trustText, type Trust } from '../../gateway/audit/verify.ts';
import { packZip, readZip } from '../../gateway/audit/zip.ts';
import { verifyAny } from '../../gateway/commands/verify-archive.ts';
import { currentNotice } from '../../gateway/consent/notices.ts';
import { addStaff } from '../../gateway/operations/accounts.ts';
import { evidenceEntriesLimit, type EvidenceOrder } from '../../gateway/operations/export-evidence.ts';
import { viewActivity } from '../../gateway/operations/own.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { makeEvidencePack } from '../../gateway/portal/evidence-archive.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import {
  addPartner,
  addPerson,
  closeCores,
  dayMs,
  entriesOf,
  openTestCore,
  partnerRead,
  turn,
  type TestCore,
} from '../support/core.ts';

const minuteMs = 60_000;
let core: TestCore;
let officer = '';
let noticeHash = '';
let noticeBody = '';
let beginMs = 0;
let endMs = 0;

async function read(person: string): Promise<void> {
  await core.gate
    .run(partnerRead(person), async () => ({ value: null, counts: { rows: 1 } }))
    .catch(() => null);
}

async function allow(person: string): Promise<void> {
  await setSwitches(core.operations, person, [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'partner:shop',
      action: 'on',
      noticeHash,
    },
  ]);
}

beforeAll(async () => {
  core = await openTestCore();
  officer = (
    await addStaff(core.operations, 'op', {
      userName: 'He Yan',
      role: 'officer',
      password: 'a long enough password',
    })
  ).value;
  await addPartner(core);
  await addPartner(core, 'other');
  const notice = await core.store.read((reader) => currentNotice(reader, 'recommendation', 'en'));
  ({ hash: noticeHash, body: noticeBody } = notice);
  core.clock.advance(10 * minuteMs);
  beginMs = core.clock.nowMs();
  for (const name of ['ann', 'bea', 'cas']) {
    await addPerson(core, name, { browsed: ['i1'] });
    core.clock.advance(minuteMs);
    await allow(name);
    core.clock.advance(minuteMs);
    await read(name);
    await core.publisher.publish();
  }
  await turn(core, 'bea', 'off', { recipient: 'partner:shop' });
  await read('bea');
  endMs = core.clock.nowMs();
  core.clock.advance(3 * minuteMs);
});
afterAll(closeCores);

const orders: Record<string, () => EvidenceOrder> = {
  person: () => ({ kind: 'person', value: 'test:ann', fromMs: null, toMs: null }),
  partner: () => ({ kind: 'partner', value: 'shop', fromMs: null, toMs: null }),
  purpose: () => ({ kind: 'purpose', value: 'recommendation', fromMs: beginMs, toMs: endMs }),
  period: () => ({ kind: 'period', value: '', fromMs: beginMs, toMs: endMs }),
};
const pack = async (order: EvidenceOrder) => {
  core.clock.advance(minuteMs);
  return makeEvidencePack(core, officer, order);
};
const wrongIn = (members: readonly Member[]) =>
  members.filter(({ isWrong }) => isWrong).map(({ name, state }) => `${name}: ${state}`);
const verdictOf = async (bytes: Uint8Array) => {
  const { verdict, members } = verifyPack(bytes, await core.prover.trust());
  return { verdict, wrong: wrongIn(members) };
};
/** The archive with some of its files changed, added (new names) or dropped (undefined). */
const changed = (bytes: Uint8Array, change: Record<string, string | undefined>) => {
  const files = new Map(readZip(bytes));
  for (const [name, text] of Object.entries(change)) {
    if (text === undefined) files.delete(name);
    else files.set(name, toUtf8(text));
  }
  return packZip(files, beginMs);
};
const textIn = (bytes: Uint8Array, name: string) =>
  fromUtf8(readZip(bytes).get(name) ?? new Uint8Array(), 'format');

/** As an operator would forge: changed and sealed again with the log's own key. */
async function resealed(
  bytes: Uint8Array,
  change: (evidence: Evidence) => Partial<Evidence>,
): Promise<string> {
  const { seal: _, ...evidence } = parseEvidence(textIn(bytes, 'evidence.json'));
  return sealEvidence({ ...evidence, ...change({ ...evidence, seal: '' }) }, (message) =>
    core.sealSigner.sign(message),
  );
}
/** Only these entries, with the proof they need. */
async function showing(
  evidence: Evidence,
  keep: (index: number) => boolean,
): Promise<Pick<Evidence, 'entries' | 'paths'>> {
  const entries = evidence.entries.filter(({ index }) => keep(index));
  const { size } = parseCheckpoint(parseNote(evidence.checkpoint).text);
  const numbers = entries.map(({ index }) => index);
  return { entries, paths: multiProof(await core.log.tree(), numbers, size).map(toBase64) };
}
const payloadsIn = (bytes: Uint8Array) =>
  parseEvidence(textIn(bytes, 'evidence.json')).entries.map(({ index, disclosure }) => ({
    index,
    payload: disclosure === null ? null : parsePayload(fromBase64(disclosure.payload, 'payload')),
  }));

describe('an evidence pack', () => {
  it.each(Object.keys(orders))('for a %s verifies from the archive alone', async (kind) => {
    const made = await pack(orders[kind]!());
    expect(made.name).toMatch(new RegExp(`^assent-evidence-${kind}-2026-03-01\\.zip$`));
    const trustText = await core.prover.trust();
    const { exitCode, lines } = await verifyAny({ bundleText: made.bytes, trustText });
    expect(lines[0]).toBe('The pack holds.');
    expect(exitCode).toBe(0);
    expect(lines).toContain('  README.txt  not proven: made for reading');
    const names = [...readZip(made.bytes).keys()];
    expect(names).toEqual(
      expect.arrayContaining(['README.txt', 'summary.en.html', 'summary.zh.html', 'evidence.json']),
    );
    expect(names.includes('person.json')).toBe(kind === 'person');
    expect(names.filter((name) => name.includes('trust'))).toEqual([]);
    expect(textIn(made.bytes, 'notices/recommendation-1-en.txt')).toBe(noticeBody);
    expect(names).toContain('receipts/1.json');
  });

  it('exits with 4 while the trust file names a chain and nothing is anchored', async () => {
    const { bytes } = await pack(orders['person']!());
    const chain = {
      chainId: 31337,
      genesisHash: `0x${'11'.repeat(32)}`,
      contract: `0x${'22'.repeat(20)}`,
      codeHash: `0x${'33'.repeat(32)}`,
      finality: 'local',
    };
    const trust = { ...parseTrust(await core.prover.trust()), chain } as Trust;
    const { exitCode } = await verifyAny({ bundleText: bytes, trustText: trustText(trust) });
    expect(exitCode).toBe(4);
  });

  it('of a person holds all of their entries and nobody else’s, in time, with their bundle', async () => {
    const { bytes } = await pack(orders['person']!());
    const own = (await entriesOf(core))
      .filter(({ row }) => row.holder === 'person:ann')
      .map(({ row }) => row.number);
    const shown = payloadsIn(bytes);
    expect(own.slice(0, shown.length)).toEqual(shown.map(({ index }) => index));
    for (const { payload } of shown) expect(payload?.['person']).toBe('ann');
    const bundle = parsePersonBundle(textIn(bytes, 'person.json'));
    for (const { index } of bundle.own.entries) expect(own).toContain(index);
    for (const content of readZip(bytes).values())
      expect(fromUtf8(content, 'format')).not.toMatch(/\b(bea|cas)\b/);
    const early = await pack({ ...orders['person']!(), toMs: beginMs + minuteMs });
    expect(payloadsIn(early.bytes).map(({ payload }) => payload?.['operation'])).toEqual(['set-switch']);
    expect(await verdictOf(early.bytes)).toEqual({ verdict: 'holds', wrong: [] });
  });

  it('of a partner holds what it received, what it was refused, and the choices that name it', async () => {
    const operations = payloadsIn((await pack(orders['partner']!())).bytes).map(({ payload }) => payload);
    expect(operations.filter((one) => one?.['operation'] === 'set-switch')).toHaveLength(3);
    expect(operations.filter((one) => one?.['decision'] === 'refused')).toHaveLength(1);
    expect(operations.filter((one) => one?.['operation'] === 'read-data')).toHaveLength(4);
    await expect(pack({ ...orders['partner']!(), value: 'other' })).rejects.toThrow('no entry');
    await expect(pack({ ...orders['partner']!(), value: 'nobody' })).rejects.toThrow('no such partner');
  });

  it('of a purpose holds the entries of that purpose alone', async () => {
    for (const { payload } of payloadsIn((await pack(orders['purpose']!())).bytes))
      expect(JSON.stringify(payload)).toContain('"recommendation"');
    await expect(pack({ ...orders['purpose']!(), value: 'marketing' })).rejects.toThrow('no entry');
    await expect(pack({ ...orders['purpose']!(), value: 'fun' })).rejects.toMatchObject({
      code: 'unknown_purpose',
    });
    await expect(pack({ ...orders['purpose']!(), toMs: null })).rejects.toMatchObject({
      code: 'malformed_request',
    });
  });

  it('of a period holds every leaf of it, and one more at each end without its payload', async () => {
    const { range, entries, selection } = parseEvidence(
      textIn((await pack(orders['period']!())).bytes, 'evidence.json'),
    );
    expect(selection).toMatchObject({
      from: new Date(beginMs).toISOString(),
      to: new Date(endMs).toISOString(),
    });
    const times = (await entriesOf(core)).map(({ row }) => row.atMs);
    const inside = times.flatMap((ms, number) => (ms >= beginMs && ms < endMs + minuteMs ? [number] : []));
    expect(range).toEqual({ first: inside[0]! - 1, end: inside.at(-1)! + 2 });
    expect([entries[0]?.disclosure, entries.at(-1)?.disclosure]).toEqual([null, null]);
  });

  it('of a period that is not over ends before the minute in which it is made; an empty one is refused', async () => {
    core.clock.advance(minuteMs);
    const nowMs = core.clock.nowMs();
    const made = await makeEvidencePack(core, officer, { ...orders['period']!(), toMs: nowMs + dayMs });
    const { selection } = parseEvidence(textIn(made.bytes, 'evidence.json'));
    expect(selection.to).toBe(new Date(nowMs - minuteMs).toISOString());
    expect(await verdictOf(made.bytes)).toEqual({ verdict: 'holds', wrong: [] });
    const empty = { ...orders['period']!(), fromMs: beginMs - 5 * minuteMs, toMs: beginMs - 4 * minuteMs };
    await expect(pack(empty)).rejects.toMatchObject({ code: 'not_found' });
    await expect(pack({ ...empty, fromMs: nowMs + dayMs, toMs: nowMs + 2 * dayMs })).rejects.toMatchObject({
      code: 'malformed_request',
    });
    await expect(pack({ ...empty, toMs: 0 })).rejects.toMatchObject({ code: 'malformed_request' });
  });

  it('holds what was written before it was made, whatever is written meanwhile', async () => {
    const busy = Promise.all([read('ann'), read('bea'), read('ann')]);
    const { bytes } = await pack(orders['person']!());
    await busy;
    expect(await verdictOf(bytes)).toEqual({ verdict: 'holds', wrong: [] });
  });

  it('is the same bytes for the same parts', async () => {
    const { bytes } = await pack(orders['person']!());
    const parts = {
      evidence: textIn(bytes, 'evidence.json'),
      person: textIn(bytes, 'person.json'),
      pages: new Map([['README.txt', 'read']]),
    };
    const one = packEvidence(parts, beginMs);
    expect(Buffer.compare(one, packEvidence(parts, beginMs + minuteMs))).toBe(0);
    expect(Buffer.compare(one, packEvidence(parts, beginMs + 2 * dayMs))).not.toBe(0);
  });
});

describe('the pages in a pack', () => {
  it('run nothing, load nothing, and say what was selected, what it proves and what not', async () => {
    const { bytes } = await pack(orders['partner']!());
    for (const lang of ['en', 'zh']) {
      const page = textIn(bytes, `summary.${lang}.html`);
      expect(page).not.toMatch(/<script|<link|<img|\ssrc=|\shref=|url\(|undefined|\[object/);
      expect(page).toContain('Partner shop');
      expect(page).toContain('assent verify assent-evidence-partner-2026-03-01.zip --trust TRUST.json');
    }
    expect(textIn(bytes, 'summary.en.html')).toContain('it is the operator’s search');
    expect(textIn(bytes, 'summary.en.html')).toContain('Browsing · ');
    expect(textIn(bytes, 'summary.en.html')).toContain('asked to read rows');
    expect(textIn(bytes, 'README.txt')).toContain('There is no trust file in this pack');
    expect(textIn(bytes, 'README.txt')).toContain('有意不附信任文件');
  });
});

describe('who is concerned', () => {
  it('sees in their own list that it was handed out: each of a few, and the person of a pack always', async () => {
    const before = (await entriesOf(core)).length;
    await pack(orders['period']!());
    const told = (await entriesOf(core))
      .slice(before)
      .filter(({ payload }) => payload?.['operation'] === 'export-evidence');
    expect(told.map(({ row }) => row.holder).toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      'person:ann',
      'person:bea',
      'person:cas',
      'system',
    ]);
    const { value } = await viewActivity(core.operations, 'bea', { othersOnly: true }, 0);
    expect(value.entries[0]).toMatchObject({ operation: 'export-evidence', callerKind: 'officer' });
    expect(told.map(({ payload }) => JSON.stringify(payload)).join('')).not.toContain('test:');
  });

  it('sees it as one of many when they are more than 64', async () => {
    const many = await openTestCore();
    const id = (
      await addStaff(many.operations, 'op', {
        userName: 'He',
        role: 'officer',
        password: 'a long enough password',
      })
    ).value;
    await addPartner(many);
    const fromMs = many.clock.nowMs();
    for (let n = 0; n < 65; n++) {
      await addPerson(many, `p${n}`);
      await many.gate.run(partnerRead(`p${n}`), async () => ({ value: null })).catch(() => null);
    }
    const before = (await entriesOf(many)).length;
    many.clock.advance(2 * minuteMs);
    const { bytes } = await makeEvidencePack(many, id, {
      kind: 'partner',
      value: 'shop',
      fromMs,
      toMs: null,
    });
    const told = (await entriesOf(many))
      .slice(before)
      .filter(({ payload }) => payload?.['operation'] === 'export-evidence');
    expect(told.map(({ row }) => row.holder)).toEqual(['system', 'population:evidence']);
    const { value } = await viewActivity(many.operations, 'p64', { othersOnly: true }, 0);
    expect(value.entries[0]).toMatchObject({ operation: 'export-evidence', aggregate: true });
    expect(verifyPack(bytes, await many.prover.trust()).verdict).toBe('holds');
  });
});

describe('a pack that was tampered with is refused, and the file is named', () => {
  let person: Uint8Array;
  let period: Uint8Array;
  const notice = 'notices/recommendation-1-en.txt';

  beforeAll(async () => {
    person = (await pack(orders['person']!())).bytes;
    period = (await pack(orders['period']!())).bytes;
  });

  const cases: [string, string, () => Promise<Uint8Array> | Uint8Array][] = [
    [
      'a forged entry',
      'evidence.json: does-not-hold',
      async () =>
        changed(person, {
          'evidence.json': await resealed(person, ({ entries }) => ({
            entries: entries.map((entry, at) =>
              at > 0 || entry.disclosure === null
                ? entry
                : {
                    ...entry,
                    disclosure: { ...entry.disclosure, payload: toBase64(toUtf8('{"operation":"none"}')) },
                  },
            ),
          })),
        }),
    ],
    [
      'an entry that is in no log',
      'evidence.json: does-not-hold',
      async () =>
        changed(person, {
          'evidence.json': await resealed(person, ({ entries }) => ({
            entries: [...entries, { ...entries.at(-1)!, index: entries.at(-1)!.index + 1 }],
          })),
        }),
    ],
    [
      'an entry of the period dropped',
      'evidence.json: does-not-hold',
      async () => {
        const evidence = parseEvidence(textIn(period, 'evidence.json'));
        const fewer = await showing(evidence, (index) => index !== evidence.range!.first + 3);
        return changed(period, { 'evidence.json': await resealed(period, () => fewer) });
      },
    ],
    [
      'a period that is cut short at its end',
      'evidence.json: not-the-period',
      async () => {
        const evidence = parseEvidence(textIn(period, 'evidence.json'));
        const { first, end } = evidence.range!;
        const fewer = await showing(evidence, (index) => index < end - 2);
        return changed(period, {
          'evidence.json': await resealed(period, () => ({
            ...fewer,
            receipts: [],
            range: { first, end: end - 2 },
          })),
        });
      },
    ],
    [
      'a period that begins too late',
      'evidence.json: not-the-period',
      async () => {
        const evidence = parseEvidence(textIn(period, 'evidence.json'));
        const { first, end } = evidence.range!;
        const fewer = await showing(evidence, (index) => index >= first + 1);
        return changed(period, {
          'evidence.json': await resealed(period, () => ({
            ...fewer,
            receipts: [],
            range: { first: first + 1, end },
          })),
        });
      },
    ],
    [
      'an entry of a person left out, proven and sealed again',
      'person.json: person-disagrees',
      async () => {
        const evidence = parseEvidence(textIn(person, 'evidence.json'));
        const left = evidence.entries[1]!.index;
        const fewer = await showing(evidence, (index) => index !== left);
        return changed(person, { 'evidence.json': await resealed(person, () => fewer) });
      },
    ],
    [
      'another person’s entry among them, proven and sealed again',
      'evidence.json: does-not-hold',
      async () => {
        const evidence = parseEvidence(textIn(person, 'evidence.json'));
        const others = new Set(
          payloadsIn(period).flatMap(({ index, payload }) => (payload?.['person'] === 'bea' ? [index] : [])),
        );
        const other = parseEvidence(textIn(period, 'evidence.json')).entries.find(({ index }) =>
          others.has(index),
        )!;
        const all = { ...evidence, entries: [...evidence.entries, other].sort((a, b) => a.index - b.index) };
        const more = await showing(all, () => true);
        return changed(person, { 'evidence.json': await resealed(person, () => more) });
      },
    ],
    ['another notice', `${notice}: differs`, () => changed(person, { [notice]: 'We sell it.' })],
    [
      'another notice, in the evidence too',
      'evidence.json: does-not-hold',
      async () =>
        changed(person, {
          [notice]: 'We sell it.',
          'evidence.json': await resealed(person, ({ notices }) => ({
            notices: notices.map((one) => ({ ...one, body: 'We sell it.' })),
          })),
        }),
    ],
    [
      'a notice more',
      'notices/more-1-en.txt: differs',
      () => changed(person, { 'notices/more-1-en.txt': 'We sell it.' }),
    ],
    ['a notice missing', `${notice}: missing`, () => changed(person, { [notice]: undefined })],
    [
      'another receipt',
      'receipts/1.json: differs',
      () => changed(person, { 'receipts/1.json': textIn(period, 'receipts/2.json') }),
    ],
    [
      'a receipt missing',
      'receipts/1.json: missing',
      () => changed(person, { 'receipts/1.json': undefined }),
    ],
    ['no evidence', 'evidence.json: missing', () => changed(person, { 'evidence.json': undefined })],
    [
      'another kind of file for the evidence',
      'evidence.json: other-kind',
      () => changed(person, { 'evidence.json': textIn(person, 'person.json') }),
    ],
    ['no bundle of the person', 'person.json: missing', () => changed(person, { 'person.json': undefined })],
    [
      'the bundle of another person',
      'person.json: other-person',
      async () => changed(person, { 'person.json': await core.prover.person('bea') }),
    ],
    [
      'a bundle of somebody in a pack about a period',
      'person.json: other-person',
      async () => changed(period, { 'person.json': await core.prover.person('bea') }),
    ],
    [
      'a bundle that goes on from an earlier one',
      'person.json: incomplete-bundle',
      async () => {
        const { size } = parseCheckpoint(
          parseNote(parsePersonBundle(textIn(person, 'person.json')).checkpoint).text,
        );
        await read('ann');
        return changed(person, { 'person.json': await core.prover.person('ann', size) });
      },
    ],
  ];

  it.each(cases)('%s: %s', async (_what, expected, tamper) => {
    const bytes = await tamper();
    const { verdict, wrong } = await verdictOf(bytes);
    expect(verdict).toBe('does-not-hold');
    expect(wrong).toContain(expected);
    const { exitCode, lines } = await verifyAny({ bundleText: bytes, trustText: await core.prover.trust() });
    expect(exitCode).toBe(1);
    expect(lines[0]).toBe('The pack does not hold. Do not rely on it.');
  });

  it('what nothing vouches for is named, and a trust file inside is never used', async () => {
    const trust = await core.prover.trust();
    const bytes = changed(person, {
      'trust.json': trust,
      'letter.txt': 'Dear judge',
      'summary.en.html': 'All is well',
    });
    const { exitCode, lines } = await verifyAny({ bundleText: bytes, trustText: trust });
    expect(exitCode).toBe(0);
    expect(lines).toContain('  trust.json  NOT USED: a trust file that came with the proof proves nothing');
    expect(lines).toContain('  letter.txt  not proven: does not belong into a pack');
    expect(lines).toContain('  summary.en.html  not proven: made for reading');
    const other = await openTestCore();
    const refused = await verifyAny({ bundleText: bytes, trustText: await other.prover.trust() });
    expect(refused.exitCode).toBe(1);
  });
});

describe('erased entries', () => {
  it('read "erased", and the pack still holds', async () => {
    await erasePerson(core.operations, { kind: 'person', person: 'cas' });
    await resumeErasures(core.operations);
    core.clock.advance(2 * minuteMs);
    const { bytes } = await pack(orders['period']!());
    expect(await verdictOf(bytes)).toEqual({ verdict: 'holds', wrong: [] });
    expect(textIn(bytes, 'summary.en.html')).toContain('Use: erased, the key was destroyed');
    const { lines } = await verifyAny({ bundleText: bytes, trustText: await core.prover.trust() });
    expect(lines.join('\n')).toContain('(erased, or not shown)');
    const own = await pack({ ...orders['person']!(), value: 'cas' });
    expect(textIn(own.bytes, 'receipts/2.json')).toContain('"kind":"erasure"');
    expect(await verdictOf(own.bytes)).toEqual({ verdict: 'holds', wrong: [] });
  });
});

describe('limits', () => {
  it('more entries than one pack holds are refused before anybody is named', async () => {
    const big = await openTestCore();
    const id = (
      await addStaff(big.operations, 'op', {
        userName: 'He',
        role: 'officer',
        password: 'a long enough password',
      })
    ).value;
    await addPartner(big);
    await addPerson(big, 'ann');
    const fromMs = big.clock.nowMs();
    for (let made = 0; made <= evidenceEntriesLimit; made += 1000) {
      const some = Array.from({ length: 1000 }, () =>
        big.gate.run(partnerRead('ann'), async () => ({ value: null })).catch(() => null),
      );
      await Promise.all(some);
    }
    big.clock.advance(2 * minuteMs);
    for (const kind of ['period', 'partner'] as const) {
      const value = kind === 'period' ? '' : 'shop';
      const order = { kind, value, fromMs, toMs: big.clock.nowMs() };
      await expect(makeEvidencePack(big, id, order).then(({ entries }) => entries)).rejects.toMatchObject({
        code: 'too_many_entries',
      });
    }
    const last = (await entriesOf(big)).at(-1);
    expect(last?.row.holder).toBe('system');
  }, 120_000);
});
