import fc from 'fast-check';
import { expect, it } from 'vitest';
import { handClock, newTimedId, realSystem } from '../gateway/system.ts';

it('a timed identifier sorts by time, and two of one moment differ', () => {
  const moment = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(moment, moment, (a, b) => {
      const at = (ms: number): string => newTimedId({ ...realSystem, clock: handClock(ms) });
      expect(at(a)).toMatch(/^[0-9a-f]{32}$/);
      if (a !== b) expect(at(a) < at(b)).toBe(a < b);
      expect(at(a)).not.toBe(at(a));
    }),
  );
});
