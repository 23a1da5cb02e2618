// English words of evidence packs: the officer's page, the pages inside a pack, and what checking one says.
import type { MemberState } from '../../audit/archive.ts';
import type { Selection } from '../../audit/evidence.ts';

export const evidenceEn = {
  page: {
    title: 'Evidence pack',
    lead: 'One archive for an authority: entries, their proofs, the notices people were shown, and receipts. It verifies without this server.',
    choose: 'Make a pack',
    chooseHint: 'Name one person, one partner or one purpose. Name none of them for everything in a period.',
    kinds: {
      person: 'One person',
      partner: 'One partner',
      purpose: 'One purpose',
      period: 'Everything in a period',
    } satisfies Record<Selection['kind'], string>,
    person: 'Person',
    personHint: 'Reference, such as shop:196, or the id from an entry.',
    partner: 'Partner',
    purpose: 'Purpose',
    nobody: 'none',
    from: 'From',
    to: 'To, this minute included',
    timesHint: 'Needed for a purpose and for a period. A period ends with the last minute that is over.',
    hold: 'Legal hold',
    holdHint:
      'Number of a hold in force that keeps payloads of this person: the pack opens what it keeps of an erased person, and the log names the hold.',
    submit: 'Make and download',
    proves: 'What it proves',
    provesList: [
      'Each entry is in the log, as it was written then.',
      'For a person: that none of their entries is missing, with their own bundle inside.',
      'For a period: that every entry between two times is there.',
      'Each notice is the very text whose hash the entry names; each receipt was sealed here.',
    ],
    doesNot: 'What it does not prove',
    doesNotList: [
      'That a selection by partner or purpose is complete: it is your search.',
      'That every use became an entry, or that an entry tells the truth.',
    ],
    told: 'Those concerned are told',
    toldText:
      'Making a pack is an entry about each person in it, up to 64; with more, one entry about the population “evidence”. They see it in their own list.',
    limits: 'At most 10,000 entries. For more, make several packs of shorter periods.',
    asEvidence: 'This period as evidence',
    problems: {
      not_found: 'There is no entry in this selection, or no such person, partner or hold in force.',
      malformed_request: 'Choose what it is about and, for a purpose or a period, a time that is over.',
      unknown_purpose: 'This purpose is not in the list.',
      too_many_entries: 'More than one pack can hold. Choose a shorter period.',
      one_of_them: 'Name only one of person, partner and purpose.',
      conflict: 'The newest entries are not signed yet. Try again in a second.',
    } as Record<string, string>,
  },

  summary: {
    title: 'Evidence from a privacy log',
    made: 'Made',
    origin: 'Log',
    about: 'Selected',
    rule: 'By which rule',
    rules: {
      person: 'every entry whose tag is this person’s',
      partner:
        'entries of what the partner asked for or received, and choices of people that name it, as the operator found them',
      purpose: 'entries that name the purpose, as the operator found them',
      period: 'every entry of these minutes, and one entry before and after',
    } satisfies Record<Selection['kind'], string>,
    from: 'From',
    to: 'To',
    beginning: 'the beginning of the log',
    untilMade: 'when it was made',
    head: 'Signed summary of the log',
    headText: (size: number, root: string) => `${size} leaves, root ${root}`,
    levels: 'Proof levels reached by the summary',
    reading:
      'This page was made for reading. What counts is evidence.json; this page proves nothing by itself.',
    counts: 'Counts',
    kind: 'Kind',
    outcome: 'Decision',
    count: 'Entries',
    entries: 'Entries',
    columns: [
      'Entry',
      'Time (UTC)',
      'What',
      'By whom',
      'For what',
      'Received by',
      'Ground',
      'Decision',
      'Proof',
    ],
    mapHead: 'Map head: belongs to the log itself',
    edge: 'Not shown: outside of the period, here for its time alone',
    erased: 'erased, the key was destroyed',
    /** Between things of one kind; between a word and what is said of it. */
    comma: ', ',
    colon: ': ',
    callers: {
      person: 'the person',
      partner: 'partner',
      officer: 'officer',
      analyst: 'analyst',
      operator: 'operator',
      system: 'system',
    } as Record<string, string>,
    recipients: {
      self: 'the person',
      officer: 'officer',
      operator: 'operator',
      'engine:recommend': 'recommendations',
      'engine:privacy': 'private statistics',
      'engine:integrate': 'data integration',
      '*': 'everyone',
    } as Record<string, string>,
    /** Where the portal speaks to the person concerned. */
    operations: { 'export-person': 'made the file that proves everything about the person' },
    partner: (name: string) => `partner ${name}`,
    actions: { on: 'on', off: 'off', unset: 'not asked' } as Record<string, string>,
    person: 'The person’s own bundle',
    personText: (count: number, size: number) =>
      `person.json proves: relative to a summary of ${size} leaves, exactly ${count} entries concern this person; none is missing.`,
    notices: 'Notices shown',
    notice: (id: string, version: number, language: string) => `${id}, version ${version} (${language})`,
    noNotices: 'These entries name no notice.',
    receipts: 'Receipts',
    receipt: (about: string, at: string, indices: string) => `${about}, ${at}, entry ${indices}`,
    receiptKinds: { consent: 'Choice', erasure: 'Erasure' } as Record<string, string>,
    noReceipts: 'There is no receipt about these entries.',
    proves: 'What this proves',
    provesList: {
      all: [
        'Each entry lies in the log under the signed summary, exactly as shown, and has not been changed since.',
        'Each notice has the hash that the entries name. Each receipt was sealed by the operator.',
      ],
      person: ['With person.json: that no entry about this person is missing up to its own summary.'],
      partner: [],
      purpose: [],
      period: [
        'That every entry of the period is here: their numbers have no gap, and the entries around it are of other times.',
      ],
    } satisfies Record<Selection['kind'] | 'all', string[]>,
    doesNot: 'What this does not prove',
    doesNotList: {
      all: [
        'That every use of data became an entry, or that an entry tells the truth.',
        'What was in entries that are erased.',
        'This page and README.txt: nobody signed them.',
      ],
      person: ['That the person has no second tag.'],
      partner: ['That the selection is complete: it is the operator’s search. Ask for a period to have all.'],
      purpose: ['That the selection is complete: it is the operator’s search. Ask for a period to have all.'],
      period: [],
    } satisfies Record<Selection['kind'] | 'all', string[]>,
    verify: 'How to check it without trusting the operator',
    steps: [
      'Take a trust file that you, or somebody you trust, got from the operator earlier and kept elsewhere. Never use one that came together with this pack.',
      'On a computer of your own, get the program “assent” from its public source, not from the operator.',
      'Run the command below. It needs no network. It says what holds, by which check, and names every file that nothing vouches for.',
      'Exit code 0: holds. 4: holds, not anchored yet. 3: contradicts a summary you kept. 1: does not hold.',
      'Or open the pack as it is in a saved copy of the page /verify, with the network off.',
      'Compare with an independent witness or the chain, if the trust file names one: add --rpc URL for the chain.',
    ],
  },

  readme: (command: string, origin: string) => `EVIDENCE PACK

Entries of the privacy log ${origin}, with their proofs.

  evidence.json     the entries, their proofs, notices and receipts, sealed by the operator
  person.json       for a person: everything about them, and that nothing is missing
  notices/          the texts people were shown; the same as in evidence.json
  receipts/         receipts of their choices; the same as in evidence.json
  summary.*.html    for reading; proves nothing by itself

Check it:

  ${command}

or open the pack, as it is, in a saved copy of the page /verify, with the network off.

There is no trust file in this pack, on purpose. The trust file says whose signatures count. Whoever made a false pack
would put a matching trust file into it. Use one that you got earlier and kept elsewhere.
`,

  check: {
    inside: 'In the archive',
    holds: 'The pack holds.',
    doesNotHold: 'The pack does not hold. Do not rely on it.',
    newer: (count: number) =>
      count === 1
        ? '1 entry about this person came after the selection was made; it is in person.json alone.'
        : `${count} entries about this person came after the selection was made; they are in person.json alone.`,
    states: {
      proven: 'holds',
      'not-proven': 'not proven: made for reading',
      unknown: 'not proven: does not belong into a pack',
      'trust-inside': 'NOT USED: a trust file that came with the proof proves nothing',
      missing: 'MISSING',
      differs: 'ANOTHER TEXT than the evidence has',
      'does-not-hold': 'DOES NOT HOLD',
      'other-kind': 'ANOTHER KIND OF FILE than belongs here',
      'other-person': 'OF ANOTHER PERSON',
      'incomplete-bundle': 'INCOMPLETE: goes on from an earlier bundle',
      'person-disagrees': 'DISAGREES with the evidence',
      'not-the-period': 'NOT THE WHOLE PERIOD',
    } satisfies Record<MemberState, string>,
  },
};

export type EvidenceWords = typeof evidenceEn;
