// What a verification says: the verdict, the levels, each check, and what the file shows.
import type { CheckName, Check } from './checks.ts';
import type { Entry, MapHead, PlainObject } from './entry.ts';
import type { Evidence, Selection } from './evidence.ts';
import type { WitnessVoice } from './policy.ts';
import type { Receipt } from './receipt.ts';
import type { Comparison, RelatedHead, State } from './state.ts';

export interface Verification {
  readonly verdict: 'holds' | 'does-not-hold';
  readonly levels: Readonly<
    Record<'recorded' | 'checkpointed' | 'witnessed' | 'anchored' | 'anchoredFinal', Level>
  >;
  /** Those that could be made, in order. */
  readonly checks: readonly Check[];
  readonly firstFailing?: CheckName;
  /** What the file shows; only there when the verdict is "holds", or when nothing but a kept head contradicts it. */
  readonly subject?: Subject;
  /** The head everything is relative to. A receipt has none. */
  readonly head?: { readonly origin: string; readonly size: number; readonly root: Uint8Array };
  /** Witnesses of the trust file's policy who signed that head. */
  readonly witnesses: readonly WitnessVoice[];
  /** Whether an anchor is at hand, in the file or from the chain, that covers all the file shows. */
  readonly hasAnchor: boolean;
  /** With a state file: how this head stands to those kept. */
  readonly keptHead?: Comparison;
  /** Of a bundle of one entry. Only to be shown as true when the verdict is "holds". */
  readonly entry?: Entry;
  readonly payload?: PlainObject;
  /** Of a bundle of one entry: there is no payload in it. It is erased, or was not shown to this reader. */
  readonly erased: boolean;
}

/** Codes of the sentences that say what a level means here; pages translate them. */
export type LevelWords =
  | 'recorded'
  | 'checkpointed'
  | 'witnessed'
  | 'anchored'
  | 'anchored-local-chain'
  | 'anchored-final'
  | 'failed'
  | 'no-checkpoint'
  | 'no-witnesses'
  | 'quorum-not-met'
  | 'no-anchor'
  | 'anchor-behind'
  | 'chain-not-asked'
  | 'local-chain-never-final'
  | 'not-final-yet'
  | 'finality-not-asked';

export interface Level {
  readonly state: 'holds' | 'fails' | 'absent' | 'not-checked';
  /** The check that settled the state. */
  readonly check: CheckName;
  readonly words: LevelWords;
}

export type Subject = EntrySubject | PersonSubject | EvidenceSubject | ReceiptSubject;

export interface EntrySubject extends VerifiedEntry {
  readonly kind: 'entry';
}

/** Relative to the head exactly `count` entries concern this tag; none is missing. */
export interface PersonSubject {
  readonly kind: 'person';
  /** Hex. */
  readonly tag: string;
  readonly count: number;
  /** How many of them are in this file: all, unless it goes on from an earlier one. */
  readonly newCount: number;
  readonly indices: readonly number[];
  readonly entries: readonly VerifiedEntry[];
  /**
   * The earlier bundle this one goes on from; null when everything is here. Only a comparison with that bundle shows
   * that the earlier entries are those shown then: `isCompared`.
   */
  readonly earlier: { readonly size: number; readonly isCompared: boolean } | null;
  /**
   * Everything is here, or here and in the earlier bundle that was given. Otherwise the counts of this file, of the person
   * and of populations, are the operator's word: a part that is not shown may be of any length.
   */
  readonly isWhole: boolean;
  /** Null when the trust file says nothing of populations: then nothing is proven of them. */
  readonly populations: readonly PopulationSubject[] | null;
  /** An entry shown asks for erasure: since then the gateway does not know which groups held the person. */
  readonly isErased: boolean;
  /** When entries shown here say that the person joined or left populations. */
  readonly changes: readonly {
    readonly index: number;
    readonly joined: readonly string[];
    readonly left: readonly string[];
  }[];
}

/** All entries about a population; which of them held the person is the operator's word. */
export interface PopulationSubject {
  readonly name: string;
  readonly count: number;
  readonly newCount: number;
  readonly entries: readonly VerifiedEntry[];
  readonly members: readonly number[];
}

export interface EvidenceSubject {
  readonly kind: 'evidence';
  readonly selection: Selection;
  /** Only of a period is it proven that all of its range is here. */
  readonly range: { readonly first: number; readonly end: number } | null;
  readonly madeAt: string;
  readonly entries: readonly VerifiedEntry[];
  readonly notices: Evidence['notices'];
  readonly receipts: readonly ReceiptSubject[];
}

export interface ReceiptSubject {
  readonly kind: 'receipt';
  readonly about: Receipt['kind'];
  /** Hex. */
  readonly tag: string;
  readonly at: string;
  readonly entries: Receipt['entries'];
  readonly statement: PlainObject;
}

export interface VerifiedEntry {
  readonly index: number;
  readonly entry: Entry | (MapHead & { readonly kind: 'map-head' });
  readonly payload: PlainObject | null;
  /** There is no payload: it is erased, or was not shown to this reader. */
  readonly erased: boolean;
}

/** What the caller found when it asked the chain about `anchorToCheck`. */
export interface ChainCheck {
  readonly ok: boolean;
  /** Name of the caller's own check, for the detail. */
  readonly check: string;
  readonly detail: string;
  /** Whether the block is final by the trust file's rule; leave out when that was not asked. */
  readonly final?: boolean;
}

export interface VerifyOptions {
  readonly chainCheck?: ChainCheck | undefined;
  /** Heads kept from before. */
  readonly state?: State | undefined;
  /** An earlier bundle of the same person. */
  readonly earlier?: string | Uint8Array | undefined;
  /** The head that the trusted contract holds now, with the path to or from the file's: stands in for the file's anchor. */
  readonly chainHead?: RelatedHead | undefined;
  /** Heads of other sizes that belong to this head's history, such as the public tiles show. */
  readonly consistency?: readonly RelatedHead[] | undefined;
}
