// Whether the process lives and whether it can take work, for a proxy and for whoever supervises it.
//
// Neither answer is an entry of the log: nobody is named, no row of a person is read, and a proxy that asks every second
// would bury the entries that matter. Neither is rate limited: a proxy asks from one address for everybody.
import { eq, sql } from 'drizzle-orm';
import type { FastifyInstance } from 'fastify';
import type { AnchoringStatus } from '../audit/anchoring.ts';
import type { Witnesses } from '../audit/witnesses.ts';
import type { Store } from '../store/store.ts';
import { setting } from '../store/tables.ts';
import type { Clock } from '../system.ts';

export type PartState = 'answers' | 'late' | 'fails';

/** Body of `/readyz`. */
export interface Readiness {
  readonly status: 'ready' | 'not_ready' | 'draining';
  readonly parts: {
    /** Committed rows can be read. */
    readonly store: PartState | 'not_asked';
    /** A transaction becomes durable, so that an entry would. */
    readonly log: PartState | 'not_asked';
  };
  /** Decides nothing: the log goes on without a chain and without witnesses, at a lower level. */
  readonly information: {
    readonly chain: AnchoringStatus['chain'];
    /** How many witnesses cosigned the last head they were asked about, of how many. */
    readonly witnesses: { readonly cosigned: number; readonly known: number };
  };
}

export interface Health {
  readiness(): Promise<Readiness>;
  /** From now on it is not ready, whatever its parts say. */
  startDraining(): void;
  isDraining(): boolean;
}

export interface HealthParts {
  readonly store: Pick<Store, 'read' | 'write'>;
  readonly clock: Clock;
  readonly chain: () => AnchoringStatus['chain'];
  readonly witnesses: Pick<Witnesses, 'states'>;
  /** What takes longer is late. */
  readonly limitMs?: number;
  /** How long an answer of the parts is repeated: nobody can make the disk work by asking often. */
  readonly freshMs?: number;
}

/** One attempt on both parts. While one hangs, no other begins beside it, until it is given up. */
interface Attempt {
  readonly begunMs: number;
  store: PartState;
  log: PartState;
  readonly settled: Promise<unknown>;
  isSettled: boolean;
}

/** An answer that is not there after so long was lost: a new attempt shows whether the store is back. */
const giveUpMs = 30_000;

export function createHealth(parts: HealthParts): Health {
  const { store, clock, limitMs = 2000, freshMs = 500 } = parts;
  let draining = false;
  let attempt: Attempt | undefined;

  function begin(): Attempt {
    const read = store.read((reader) =>
      reader.db.select({ name: setting.name }).from(setting).where(eq(setting.name, 'origin')),
    );
    // A write that changes a page, if not its content: an empty transaction succeeds on a full disk, too.
    const write = store.write(async (tx) => {
      await tx.db
        .update(setting)
        .set({ value: sql`${setting.value}` })
        .where(eq(setting.name, 'origin'));
    });
    const follow = async (part: 'store' | 'log', work: Promise<unknown>): Promise<void> => {
      next[part] = await work.then(
        () => 'answers',
        () => 'fails',
      );
    };
    const next: Attempt = {
      begunMs: clock.nowMs(),
      store: 'late',
      log: 'late',
      isSettled: false,
      settled: Promise.resolve(),
    };
    const settled = Promise.all([follow('store', read), follow('log', write)]).then(
      () => (next.isSettled = true),
    );
    return Object.assign(next, { settled });
  }

  async function ask(): Promise<Attempt> {
    const ageMs = attempt === undefined ? Infinity : clock.nowMs() - attempt.begunMs;
    // A clock that was set back must not keep an old answer.
    const keptMs = attempt?.isSettled === true ? freshMs : giveUpMs;
    if (attempt === undefined || ageMs >= keptMs || ageMs < 0) attempt = begin();
    const asked = attempt;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([asked.settled, new Promise((late) => (timer = setTimeout(late, limitMs)))]);
    clearTimeout(timer);
    return asked;
  }

  function information(): Readiness['information'] {
    const states = parts.witnesses.states();
    const cosigned = states.filter(({ outcome }) => outcome === 'cosigned').length;
    return { chain: parts.chain(), witnesses: { cosigned, known: states.length } };
  }

  return {
    async readiness() {
      const asked = draining ? undefined : await ask();
      // It may have begun while the parts were asked.
      if (asked === undefined || draining)
        return {
          status: 'draining',
          parts: { store: 'not_asked', log: 'not_asked' },
          information: information(),
        };
      const isReady = asked.store === 'answers' && asked.log === 'answers';
      return {
        status: isReady ? 'ready' : 'not_ready',
        parts: { store: asked.store, log: asked.log },
        information: information(),
      };
    },
    startDraining: () => void (draining = true),
    isDraining: () => draining,
  };
}

export function healthRoutes(app: FastifyInstance, health: Health): void {
  const unlimited = { config: { rateLimit: false } } as const;

  app.get('/healthz', unlimited, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send('ok\n'),
  );

  app.get('/readyz', unlimited, async (_request, reply) => {
    const readiness = await health.readiness();
    return reply
      .status(readiness.status === 'ready' ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(readiness);
  });
}
