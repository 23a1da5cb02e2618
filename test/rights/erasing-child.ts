// Erases a person and kills itself at a step. Arguments: folder, time, person, step.
import type Sqlite from 'better-sqlite3';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { openTestCore } from '../support/core.ts';

const [folder = '', startMs = '0', person = '', step = ''] = process.argv.slice(2);
const core = await openTestCore({ folder, startMs: Number(startMs) });
const dieAt = (here: string): void => {
  if (here === step) process.kill(process.pid, 'SIGKILL');
};

const parts = {
  ...core.operations,
  keyring: {
    ...core.keyring,
    destroy: async (...given: Parameters<typeof core.keyring.destroy>) => {
      await core.keyring.destroy(...given);
      dieAt('inside the transaction');
    },
  },
};
await erasePerson(parts, { kind: 'person', person });
dieAt('asked');
if (step === 'rewritten') (core.store as unknown as { raw: Sqlite.Database }).raw.exec('VACUUM');
dieAt('rewritten');
if (step === 'cleaned') await core.store.clean();
dieAt('cleaned');
await parts.clean();
dieAt('cleaning noted');
await resumeErasures(parts);
dieAt('completed');
