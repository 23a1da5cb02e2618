// Begins a run on PostgreSQL, says so, and computes until it is killed. Arguments: folder, URL of the database.
import { writeSync } from 'node:fs';
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { realSystem } from '../../gateway/system.ts';

const [folder = '', database = ''] = process.argv.slice(2);
const core = await openCore(loadConfig({ ASSENT_HOME: folder, ASSENT_STORE: database }), realSystem);
await core.gate.runLong(
  {
    caller: { kind: 'operator', id: 'test' },
    operation: 'train-recommender',
    purpose: 'recommendation',
    categories: ['browsing'],
    recipients: ['engine:recommend'],
    population: 'recommendation/browsing/engine:recommend',
  },
  {
    start: async () => undefined,
    async compute() {
      writeSync(1, 'computing\n');
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    },
    finish: async () => ({ value: undefined }),
  },
);
