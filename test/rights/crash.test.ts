import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { closeCore, closeCores, entriesOf, openTestCore, rawOf } from '../support/core.ts';
import { plantMarkers, searchBytes } from './markers.ts';

afterEach(closeCores);

const steps = [
  'inside the transaction',
  'asked',
  'rewritten',
  'cleaned',
  'cleaning noted',
  'completed',
] as const;

describe('killed in the middle of an erasure', () => {
  it.each(steps)(
    '%s: the next start ends where an undisturbed erasure ends',
    { timeout: 30_000 },
    async (step) => {
      const before = await openTestCore();
      const planted = await plantMarkers(before, 'Anna');
      const { folder } = before;
      const startMs = before.clock.nowMs();
      await closeCore(before);

      const child = spawnSync(
        process.execPath,
        [join(import.meta.dirname, 'erasing-child.ts'), folder, String(startMs), planted.person, step],
        { encoding: 'utf8' },
      );
      expect(child.signal, child.stderr).toBe('SIGKILL');

      const core = await openTestCore({ folder, startMs });
      await resumeErasures(core.operations);
      const states = () => rawOf(core).prepare('SELECT state FROM erasure').pluck().all();
      if (step === 'inside the transaction') {
        // Nothing happened, the person is whole, and can ask again.
        expect(states()).toEqual([]);
        expect(Object.keys(await searchBytes(folder, planted.erased))).toHaveLength(
          Object.keys(planted.erased).length,
        );
        await erasePerson(core.operations, { kind: 'person', person: planted.person });
        await resumeErasures(core.operations);
      }
      expect(states()).toEqual(['completed']);
      expect(await searchBytes(folder, planted.erased)).toEqual({});
      const kinds = (await entriesOf(core))
        .map(({ kind }) => kind)
        .filter((kind) => kind.startsWith('erasure-'));
      expect(kinds).toEqual(['erasure-requested', 'erasure-completed']);
      expect(await resumeErasures(core.operations)).toBe(0);
    },
  );
});
