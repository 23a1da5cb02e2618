// The checks of a person's bundle, alone or beside the earlier one it goes on from. FORMAT.md section 10.
import { fromBase64, toHex } from './bytes.ts';
import { checkHead, checkMultiProof, checkSeal, type Context, type Found } from './check-head.ts';
import { fail, startChecks } from './checks.ts';
import type { Entry } from './entry.ts';
import { decodeOne, openEntries } from './open-entries.ts';
import {
  checkAgainstEarlier,
  checkExtends,
  checkMapHead,
  checkOwnList,
  checkPopulations,
  parsePersonBundle,
  type EarlierBundle,
  type PersonBundle,
  type ProvenList,
  type Section,
} from './person-bundle.ts';
import type { PersonSubject, VerifiedEntry } from './verification.ts';

interface PersonFound extends Found {
  readonly lists?: ReadonlyMap<string | null, ProvenList>;
}

/** @param isEarlier whether this is the earlier bundle of another one: then populations added since may be missing */
export function verifyPerson(context: Context, bundle: PersonBundle, isEarlier = false): PersonFound {
  const { check, trust, options } = context;
  const sections = [bundle.own, ...bundle.populations];
  const all = openEntries(
    context,
    sections.flatMap(({ entries }) => entries),
    decodeOne,
  );
  const shown = all === undefined ? undefined : regroup(all, sections);
  const { head, cosigned } = checkHead(context, bundle);
  if (head === undefined) return { cosigned };
  const mapHead = check('map head', `the map is of all ${head.size - 1} leaves before it`, () =>
    checkMapHead(bundle, head.size),
  );
  const mapLeaf = { index: head.size - 1, leaf: bundle.mapHead };
  checkMultiProof(context, [...sections.flatMap(({ entries }) => entries), mapLeaf], bundle.paths, head);
  if (shown === undefined || mapHead === undefined) return { head, cosigned };

  const entriesOf = (place: number) => (shown[place] ?? []).map(({ entry }) => entry as Entry);
  const own = check('completeness', 'the own list is the one under the map, and each entry is shown', () =>
    checkOwnList(bundle, entriesOf(0), mapHead),
  );
  const known = trust?.populations ?? null;
  const populations =
    known === null
      ? undefined
      : check('populations', 'all of the trust file, and each list is the one under the map', () =>
          checkPopulations(
            bundle,
            bundle.populations.map((_, i) => entriesOf(i + 1)),
            mapHead,
            { key: fromBase64(known.key, 'trust'), names: known.names },
            isEarlier,
          ),
        );
  if (own === undefined || (known !== null && populations === undefined)) return { head, cosigned };
  const lists = new Map<string | null, ProvenList>([[null, own], ...(populations ?? [])]);
  const from = bundle.extends;
  const { earlier } = options;
  let isWhole = from === null;
  if (from !== null || earlier !== undefined) {
    check('earlier bundle', earlierDetail(from, earlier !== undefined), () => {
      if (from !== null) checkExtends(from, head);
      if (earlier === undefined) return;
      const before = readEarlier(context, earlier);
      checkAgainstEarlier(bundle, lists, before);
      isWhole ||= before.isWhole;
    });
  }
  return {
    head,
    cosigned,
    lists,
    related:
      from === null
        ? []
        : [
            {
              size: from.size,
              root: fromBase64(from.root, 'earlier bundle'),
              consistency: from.consistency.map((step) => fromBase64(step, 'earlier bundle')),
            },
          ],
    subject: personSubject(bundle, shown, lists, {
      isCompared: earlier !== undefined,
      isWhole,
      isPopulationsProven: known !== null,
    }),
  };
}

function earlierDetail(from: PersonBundle['extends'], isCompared: boolean): string {
  const where = from === null ? 'the earlier bundle' : `the earlier head of size ${from.size}`;
  return isCompared
    ? `goes on from ${where} and its lists`
    : `goes on from ${where}; the bundle itself was not given`;
}

/** The earlier bundle holds by itself, or it is nothing to compare with. */
function readEarlier({ trust, options }: Context, file: string | Uint8Array): EarlierBundle {
  const bundle = parsePersonBundle(file);
  const checking = startChecks();
  if (trust === undefined || bundle.origin !== trust.origin)
    throw fail('earlier bundle', 'the earlier bundle is about another log');
  const { earlier: _, ...rest } = options;
  const { head, lists } = verifyPerson({ ...checking, trust, options: rest }, bundle, true);
  checking.check('seal', '', () => checkSeal(bundle, trust));
  const failing = checking.checks.find(({ ok }) => !ok);
  if (failing !== undefined || head === undefined || lists === undefined)
    throw fail('earlier bundle', `the earlier bundle does not hold: ${failing?.name ?? 'its lists'}`);
  return { tag: bundle.tag, head, lists, isWhole: bundle.extends === null };
}

function personSubject(
  bundle: PersonBundle,
  shown: readonly (readonly VerifiedEntry[])[],
  lists: ReadonlyMap<string | null, ProvenList>,
  how: { readonly isCompared: boolean; readonly isWhole: boolean; readonly isPopulationsProven: boolean },
): PersonSubject {
  const entries = shown[0] ?? [];
  return {
    kind: 'person',
    tag: toHex(fromBase64(bundle.tag, 'format')),
    count: lists.get(null)?.count ?? 0,
    newCount: entries.length,
    indices: bundle.own.indices,
    entries,
    isErased: entries.some(({ entry }) => entry.kind === 'erasure-requested'),
    earlier: bundle.extends === null ? null : { size: bundle.extends.size, isCompared: how.isCompared },
    isWhole: how.isWhole,
    populations: !how.isPopulationsProven
      ? null
      : bundle.populations.map(({ name, members }, i) => ({
          name: name ?? '',
          count: lists.get(name)?.count ?? 0,
          newCount: shown[i + 1]?.length ?? 0,
          entries: shown[i + 1] ?? [],
          members,
        })),
    changes: entries.flatMap(({ index, payload }) => {
      const change = payload?.['populations'] as { joined?: unknown; left?: unknown } | null | undefined;
      const joined = namesIn(change?.joined);
      const left = namesIn(change?.left);
      return joined.length + left.length === 0 ? [] : [{ index, joined, left }];
    }),
  };
}

const namesIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];

function regroup(all: readonly VerifiedEntry[], sections: readonly Section[]): VerifiedEntry[][] {
  let from = 0;
  return sections.map(({ entries }) => all.slice(from, (from += entries.length)));
}
