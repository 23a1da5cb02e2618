// Private counts: differentially private under adding or removing one person with all their rows, exact noise.
//
// The budget is spent in the transaction that records "started", before anything is computed; it is never refunded.
import { createHash, hkdfSync } from 'node:crypto';
import { and, eq, inArray, lte, sql } from 'drizzle-orm';
import { countByGroup, EngineError, planCountByGroup, type CountPlan } from '../../engine/index.ts';
import type { Permit } from '../consent/decide.ts';
import type { Caller, Category } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import type { Reader, Tx } from '../store/store.ts';
import { budgetPerson, budgetScope, dpQuery, item } from '../store/tables.ts';
import { newId } from '../system.ts';
import { staffRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';
import { readAttributeOfMany, readEventsOfMany } from './rows.ts';

interface Question {
  readonly category: Category;
  /** Public keys: part of the question, never read from the data. */
  readonly groups: readonly string[];
  /** In how many groups one person counts at most. */
  readonly groupsPerPerson: number;
  readonly rows: (
    permits: ReadonlyMap<string, Permit>,
    reader: Reader,
  ) => Promise<Iterable<{ person: string; group: string }>>;
}

export const ageBands = ['under 18', '18-24', '25-34', '35-44', '45-54', '55 and over'] as const;
export const genres = [
  'Action', 'Adventure', 'Animation', 'Children\'s', 'Comedy', 'Crime', 'Documentary', 'Drama', 'Fantasy', 'Film-Noir',
  'Horror', 'Musical', 'Mystery', 'Romance', 'Sci-Fi', 'Thriller', 'War', 'Western',
] as const; // prettier-ignore

/** What can be asked. Public keys and bounds are fixed here, so that no question depends on the data. */
export const questions = {
  people_by_age_band: {
    category: 'profile',
    groups: ageBands,
    groupsPerPerson: 1,
    rows: async (permits, reader) =>
      (await readAttributeOfMany(permits, reader, 'profile', 'age')).flatMap(({ person, value }) => {
        const band = ageBandOf(Number(value));
        return band === undefined ? [] : [{ person, group: band }];
      }),
  },
  people_by_genre: {
    category: 'browsing',
    groups: genres,
    groupsPerPerson: 3,
    rows: async (permits, reader) => {
      const items = await reader.db.select({ key: item.key, attributes: item.attributes }).from(item);
      const genresOf = new Map(items.map(({ key, attributes }) => [key, genresIn(attributes)]));
      return groupRows(await readEventsOfMany(permits, reader, 'browsing'), genresOf);
    },
  },
} as const satisfies Record<string, Question>;

export type QuestionName = keyof typeof questions;

export interface PrivateQuery {
  readonly question: string;
  /** Decimal text. */
  readonly epsilon: string;
  /** Same key and same question give the same stored answer, without a new charge. */
  readonly idempotencyKey: string;
}

export interface PrivateAnswer {
  readonly question: string;
  readonly epsilon: string;
  readonly mechanism: 'discrete Laplace';
  /** Noise scale as an exact fraction. */
  readonly scale: { readonly numerator: string; readonly denominator: string };
  /** 95 of 100 values lie within this of the true count (noise only, not bounding). */
  readonly half_width_95: number;
  readonly groups_per_person: number;
  readonly unit: 'people';
  readonly groups: readonly { readonly group: string; readonly count: number }[];
}

/**
 * @throws GatewayError `unknown_query`, `epsilon_out_of_range`, `budget_exhausted`, `idempotency_mismatch`
 */
export async function askPrivately(
  parts: OperationParts,
  caller: Caller,
  asked: PrivateQuery,
): Promise<Released<PrivateAnswer>> {
  const question = Object.hasOwn(questions, asked.question)
    ? (questions[asked.question as QuestionName] as Question)
    : undefined;
  if (question === undefined) {
    throw new GatewayError('unknown_query', undefined, { details: { offered: Object.keys(questions) } });
  }
  const plan = planOf(question, asked, parts.config.limits.epsilonPerQuery);
  const requestHash = createHash('sha256').update(`${asked.question}\n${plan.epsilonMicro}`).digest('hex');
  const earlier = await findEarlier(parts, caller, asked.idempotencyKey);
  if (earlier !== undefined) return reserve(parts, caller, earlier, requestHash);

  const scope = `${question.category}/analytics`;
  const cost = plan.epsilonMicro;
  const released = await parts.gate.runLong(
    {
      caller,
      operation: 'dp-query',
      purpose: 'analytics',
      categories: [question.category],
      recipients: ['engine:privacy'],
      population: `analytics/${question.category}/engine:privacy`,
      about: { question: asked.question, epsilon_micro: cost },
    },
    {
      eligible: (reader, people) => affordable(reader, people, cost, parts.config.limits.personBudgetMicro),
      async start(tx, people, run) {
        await charge(tx, scope, people, cost, parts.config.limits);
        const id = newId(parts.system.random);
        const asking = await tx.db
          .insert(dpQuery)
          .values({
            id,
            caller: `${caller.kind}:${caller.id}`,
            idempotencyKey: asked.idempotencyKey,
            requestHash,
            epsilonMicro: cost,
            scope,
            run: run.id,
            askedMs: parts.system.clock.nowMs(),
          })
          .onConflictDoNothing()
          .returning({ id: dpQuery.id });
        if (asking.length === 0)
          throw new GatewayError('conflict', 'a query with this idempotency key is being answered');
        return { id };
      },
      async compute(permits, { id }) {
        const rows = await parts.read((reader) => question.rows(permits, reader));
        // Fresh for each query: which groups of a person count must not repeat from one answer to the next.
        const boundingKey = new Uint8Array(
          hkdfSync('sha256', parts.boundingKey, id, 'assent/v1/bounding', 32),
        );
        return countByGroup(plan, rows, parts.system.random, boundingKey);
      },
      async finish(tx, counts, { id }) {
        const answer: PrivateAnswer = {
          question: asked.question,
          epsilon: asked.epsilon,
          mechanism: 'discrete Laplace',
          scale: { numerator: String(plan.scale.p), denominator: String(plan.scale.q) },
          half_width_95: Number(plan.halfWidth95),
          groups_per_person: plan.l0,
          unit: 'people',
          groups: counts.map(({ group, noisyCount }) => ({ group, count: noisyCount })),
        };
        const text = JSON.stringify(answer);
        await tx.db.update(dpQuery).set({ answer: text }).where(eq(dpQuery.id, id));
        return { value: answer, about: { answer_digest: createHash('sha256').update(text).digest('hex') } };
      },
    },
  );
  return released;
}

function planOf(question: Question, asked: PrivateQuery, maxEpsilon: string): CountPlan {
  try {
    return planCountByGroup({
      epsilon: asked.epsilon,
      groups: question.groups,
      maxGroupsPerPerson: question.groupsPerPerson,
      maxEpsilon,
    });
  } catch (error) {
    if (error instanceof EngineError && error.code === 'epsilon_out_of_range') {
      throw new GatewayError('epsilon_out_of_range', error.message);
    }
    throw error;
  }
}

/** Of these people, those whose own limit leaves room. Silent by design: "somebody is exhausted" would be data. */
async function affordable(
  reader: Reader,
  people: readonly string[],
  cost: number,
  defaultLimit: number,
): Promise<string[]> {
  const spent = new Map<string, { spent: number; limit: number }>();
  for (const row of await reader.db.select().from(budgetPerson)) {
    spent.set(row.person, { spent: row.spentMicro, limit: row.limitMicro });
  }
  return people.filter((person) => {
    const own = spent.get(person) ?? { spent: 0, limit: defaultLimit };
    return own.spent + cost <= own.limit;
  });
}

/** Charges the scope and everyone in the population; all or nothing, in the transaction of the "started" entry. */
async function charge(
  tx: Tx,
  scope: string,
  people: readonly string[],
  cost: number,
  limits: OperationParts['config']['limits'],
): Promise<void> {
  await tx.db
    .insert(budgetScope)
    .values({ id: scope, limitMicro: limits.scopeBudgetMicro, spentMicro: 0 })
    .onConflictDoNothing();
  const scopeCharged = await tx.db
    .update(budgetScope)
    .set({ spentMicro: sql`${budgetScope.spentMicro} + ${cost}` })
    .where(
      and(eq(budgetScope.id, scope), lte(budgetScope.spentMicro, sql`${budgetScope.limitMicro} - ${cost}`)),
    )
    .returning({ id: budgetScope.id });
  if (scopeCharged.length === 0) throw new GatewayError('budget_exhausted');
  for (let at = 0; at < people.length; at += 400) {
    const page = people.slice(at, at + 400);
    await tx.db
      .insert(budgetPerson)
      .values(page.map((person) => ({ person, limitMicro: limits.personBudgetMicro, spentMicro: 0 })))
      .onConflictDoNothing();
    const charged = await tx.db
      .update(budgetPerson)
      .set({ spentMicro: sql`${budgetPerson.spentMicro} + ${cost}` })
      .where(
        and(
          inArray(budgetPerson.person, page),
          lte(budgetPerson.spentMicro, sql`${budgetPerson.limitMicro} - ${cost}`),
        ),
      )
      .returning({ person: budgetPerson.person });
    // Somebody's budget moved between the look and the charge: nothing is spent, the caller may ask again.
    if (charged.length !== page.length)
      throw new GatewayError('conflict', 'budgets changed meanwhile; ask again');
  }
}

async function findEarlier(
  parts: OperationParts,
  caller: Caller,
  key: string,
): Promise<{ requestHash: string; answer: string | null } | undefined> {
  const [row] = await parts.read((reader) =>
    reader.db
      .select({ requestHash: dpQuery.requestHash, answer: dpQuery.answer })
      .from(dpQuery)
      .where(and(eq(dpQuery.caller, `${caller.kind}:${caller.id}`), eq(dpQuery.idempotencyKey, key))),
  );
  return row;
}

/** Serves a stored answer again: post-processing, so it costs no budget, but it is a use and leaves an entry. */
function reserve(
  parts: OperationParts,
  caller: Caller,
  { answer, requestHash }: { answer: string | null; requestHash: string },
  asked: string,
): Promise<Released<PrivateAnswer>> {
  return parts.gate.run({ ...staffRequest(caller, 'dp-answer'), purpose: 'analytics' }, async () => {
    if (requestHash !== asked) throw new GatewayError('idempotency_mismatch');
    if (answer === null)
      throw new GatewayError('conflict', 'this query began and gave no answer; use a new idempotency key');
    return { value: JSON.parse(answer) as PrivateAnswer };
  });
}

export function ageBandOf(age: number): (typeof ageBands)[number] | undefined {
  if (!Number.isFinite(age) || age < 0) return undefined;
  const bounds = [18, 25, 35, 45, 55];
  return ageBands[bounds.filter((bound) => age >= bound).length];
}

function genresIn(attributes: string): readonly string[] {
  const { genres: named } = JSON.parse(attributes) as { genres?: unknown };
  // A source that says no separator has one genre an item, as text.
  const list: readonly unknown[] = Array.isArray(named) ? named : [named];
  return list.filter((genre) => typeof genre === 'string');
}

function* groupRows(
  events: Iterable<{ person: string; item: string }>,
  genresOf: ReadonlyMap<string, readonly string[]>,
): Iterable<{ person: string; group: string }> {
  for (const { person, item: key } of events) {
    for (const group of genresOf.get(key) ?? []) yield { person, group };
  }
}
