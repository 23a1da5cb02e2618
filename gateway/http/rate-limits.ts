// Rate limits of several gateways on one database: how @fastify/rate-limit counts where the store is PostgreSQL. On
// SQLite there is one gateway, and the library counts in its memory.
//
// Two kinds. *Guarded* routes (passwords, invitations, erasure) ask the database for every request and are exact; when
// it does not answer they are closed, 503: nothing could be done there anyway, and a gap must not be worth waiting for.
// *Ordinary* routes count here and settle with the others every 250 ms; who sends more than a twentieth of the limit
// meanwhile waits for the settling. They are open when the database does not answer within 100 ms: each gateway then
// holds the limit alone. Slack: beyond the limit each gateway lets through a twentieth of it at most.
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';
import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { Rates } from '../store/rates.ts';

export interface SharedLimits {
  /** For the option of that name of @fastify/rate-limit. */
  readonly store: FastifyRateLimitStoreCtor;
  /** Settles what is still here, as far as it can. */
  close(): Promise<void>;
}

export interface SharedLimitsParts {
  readonly rates: Rates;
  /** Secret that all gateways of one database have; a key of its own is made from it. */
  readonly secret: Uint8Array;
  /** Wall clock, for the day alone. */
  readonly nowMs: () => number;
}

/** Fastify's options for a route that is worth nothing at this pace: exact over all gateways, closed when in doubt. */
export function guardedLimit(perMinute: number) {
  return { config: { rateLimit: { max: perMinute, timeWindow: 60_000, isGuarded: true } } } as const;
}

const settleMs = 250;
/** The part of a limit that one gateway lets through before it has told the others. */
const stepShare = 1 / 20;
/** How long who is beyond it waits, and for how long nobody does after the database did not answer. */
const waitMs = 100;
const openMs = 2_000;
const sweepMs = 60_000;
/** Addresses one limit knows at once. Whoever falls out is known again after the next settling. */
const knownLimit = 20_000;
const batchSize = 1_000;

interface Known {
  /** Keyed hash, made when it is first settled. */
  hash: string | undefined;
  /** As the database last said. */
  shared: number;
  /** Being told to it now. */
  telling: number;
  /** Not told yet. */
  untold: number;
  waiting: Waiting[];
  /** Monotonic. */
  untilMs: number;
  readonly windowMs: number;
}

/** What the library hands over of a route with a limit of its own; of the general one, nothing of this. */
interface RouteLimit {
  readonly routeInfo?: { readonly method?: string | readonly string[]; readonly url?: string };
  readonly isGuarded?: boolean;
}

interface Waiting {
  /** Among those that are told together with it, from 1. */
  readonly position: number;
  readonly take: (current: number) => void;
}

type Answer = Parameters<FastifyRateLimitStore['incr']>[1];

export function createSharedLimits({ rates, secret, nowMs }: SharedLimitsParts): SharedLimits {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'assent/v1/rate-limits', 32)));
  const limits: { readonly known: Map<string, Known>; readonly name: string }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let settling: Promise<void> | undefined;
  /** When to settle again, where something came while it was settling. */
  let againMs: number | undefined;
  let openUntilMs = 0;
  let sweptMs = performance.now();

  /** No address in clear, and another hash each day: counts of two days cannot be put together. */
  function hashOf(name: string, address: string): string {
    const day = Math.floor(nowMs() / 86_400_000);
    return createHmac('sha256', key).update(`${day}\0${name}\0${address}`).digest('base64url').slice(0, 22);
  }

  function settleSoon(afterMs: number): void {
    if (settling !== undefined) {
      againMs = Math.min(afterMs, againMs ?? afterMs);
      return;
    }
    if (timer !== undefined && afterMs > 0) return;
    clearTimeout(timer);
    timer = setTimeout(() => void settle(), afterMs).unref();
  }

  async function settle(): Promise<void> {
    timer = undefined;
    if (settling !== undefined) return settling;
    settling = settleAll();
    await settling;
    settling = undefined;
    if (againMs !== undefined) settleSoon(againMs);
    againMs = undefined;
  }

  async function settleAll(): Promise<void> {
    const due: Known[] = [];
    for (const { known, name } of limits) {
      for (const [address, one] of known) {
        if (one.untold === 0) continue;
        one.hash ??= hashOf(name, address);
        due.push(one);
      }
    }
    for (let from = 0; from < due.length; from += batchSize) await tell(due.slice(from, from + batchSize));
    if (performance.now() - sweptMs < sweepMs) return;
    sweptMs = performance.now();
    await rates.sweep().catch(() => undefined);
  }

  async function tell(some: readonly Known[]): Promise<void> {
    const waiting = some.map((one) => {
      one.telling = one.untold;
      one.untold = 0;
      return one.waiting.splice(0);
    });
    let counted: Awaited<ReturnType<Rates['add']>> | undefined;
    try {
      counted = await rates.add(
        some.map(({ hash, telling, windowMs }) => ({ key: hash ?? '', by: telling, windowMs })),
      );
    } catch {
      // Open: this gateway goes on with what it knows. Never told twice, as it may have been counted.
      openUntilMs = performance.now() + openMs;
    }
    for (const [at, one] of some.entries()) {
      const found = counted?.get(one.hash ?? '');
      const before = found === undefined ? one.shared : found.count - one.telling;
      one.shared = before + one.telling;
      if (found !== undefined) one.untilMs = performance.now() + found.leftMs;
      one.telling = 0;
      for (const { position, take } of waiting[at] ?? []) take(before + position);
    }
  }

  /** Its window is over, or its place is needed: nobody will tell of it any more. */
  function release(one: Known): void {
    for (const { position, take } of one.waiting.splice(0)) take(one.shared + position);
  }

  function knownOf(known: Map<string, Known>, address: string, windowMs: number): Known {
    const atMs = performance.now();
    const found = known.get(address);
    if (found !== undefined && atMs < found.untilMs) return found;
    if (found !== undefined) release(found);
    else if (known.size >= knownLimit) {
      const [oldest] = known;
      if (oldest !== undefined) {
        release(oldest[1]);
        known.delete(oldest[0]);
      }
    }
    const none = { hash: undefined, shared: 0, telling: 0, untold: 0 };
    const fresh: Known = { ...none, waiting: [], untilMs: atMs + windowMs, windowMs };
    known.delete(address);
    known.set(address, fresh);
    return fresh;
  }

  function waitFor(one: Known, answer: Answer): void {
    const late = setTimeout(() => {
      openUntilMs = performance.now() + openMs;
      take(one.shared + position);
    }, waitMs);
    const position = one.untold;
    let isAnswered = false;
    const take = (current: number): void => {
      if (isAnswered) return;
      isAnswered = true;
      clearTimeout(late);
      answer(null, { current, ttl: Math.max(0, one.untilMs - performance.now()) });
    };
    one.waiting.push({ position, take });
  }

  const told = (one: Known): { current: number; ttl: number } => ({
    current: one.shared + one.telling + one.untold,
    ttl: Math.max(0, one.untilMs - performance.now()),
  });

  class Store implements FastifyRateLimitStore {
    readonly #known = new Map<string, Known>();
    readonly #name: string;
    readonly #isGuarded: boolean;

    constructor(options: object) {
      const { routeInfo, isGuarded } = options as RouteLimit;
      this.#name = routeInfo?.url === undefined ? '' : `${String(routeInfo.method)} ${routeInfo.url}`;
      this.#isGuarded = isGuarded === true;
      if (!this.#isGuarded) limits.push({ known: this.#known, name: this.#name });
    }

    child(options: object): FastifyRateLimitStore {
      return new Store(options);
    }

    incr(address: string, answer: Answer, windowMs = 60_000, max = Number.MAX_SAFE_INTEGER): void {
      const one = knownOf(this.#known, address, windowMs);
      // Over for this window, whatever the others count: no reason to ask or to tell.
      if (one.shared > max) {
        one.shared += 1;
        answer(null, told(one));
      } else if (this.#isGuarded) {
        this.#ask(one, address, answer);
      } else {
        one.untold += 1;
        const isBeyond = one.telling + one.untold > Math.max(1, max * stepShare);
        const waits = isBeyond && performance.now() >= openUntilMs;
        settleSoon(waits ? 0 : settleMs);
        if (waits) waitFor(one, answer);
        else answer(null, told(one));
      }
    }

    #ask(one: Known, address: string, answer: Answer): void {
      one.hash ??= hashOf(this.#name, address);
      const { hash, windowMs } = one;
      rates.add([{ key: hash, by: 1, windowMs }]).then(
        (counted) => {
          const { count, leftMs } = counted.get(hash) ?? { count: 1, leftMs: windowMs };
          one.shared = Math.max(one.shared, count);
          one.untilMs = performance.now() + leftMs;
          answer(null, { current: count, ttl: leftMs });
        },
        (error: Error) => answer(error),
      );
    }
  }

  return {
    store: Store,
    async close() {
      clearTimeout(timer);
      await settle();
      await rates.close();
    },
  };
}
