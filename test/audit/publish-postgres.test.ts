// A head over a database whose connection is lost while it is made.
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createKeyring } from '../../gateway/audit/keys.ts';
import { decodeMapHead, isMapHead } from '../../gateway/audit/entry.ts';
import { openLog, sha256 } from '../../gateway/audit/log.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { createPublisher, createSigner } from '../../gateway/audit/publish.ts';
import { migratePostgres } from '../../gateway/store/migrate-postgres.ts';
import { openPostgres } from '../../gateway/store/postgres.ts';
import type { Store, Tx } from '../../gateway/store/store.ts';
import { entry as entryTable } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { openLine, type LineState } from '../support/cut-line.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase } from '../support/postgres.ts';
import { clock, entryOf, origin } from './ledger.ts';

const migrations = resolve(import.meta.dirname, '..', '..', 'migrations');
afterAll(dropDatabases);

describeOnPostgres('a map head whose transaction is lost', () => {
  it.each(['cut', 'lose-commit', 'lose-answer'] as const)(
    'by %s is over exactly the leaves of the log, though another process appends meanwhile',
    async (loss) => {
      const direct = await newDatabase();
      await migratePostgres(direct, join(migrations, 'postgres'));
      const line = await openLine(direct);
      const [mine, other] = [openPostgres(line.url), openPostgres(direct)];
      const parts = async (store: Store) => {
        const keyring = createKeyring(new Uint8Array(32).fill(1), realSystem.random);
        const log = await openLog(store, keyring);
        const signer = createSigner(origin, new Uint8Array(32).fill(2));
        return { log, publisher: createPublisher({ store, log, signer, clock }) };
      };
      const beside = await parts(other);
      let number = 0;
      const append = () => other.write((tx) => beside.log.append(tx, entryOf(number++)));
      await append();
      // The writer whose line is lost just after the map head was made in its transaction, once.
      let runs = 0;
      const losing: Store = {
        ...mine,
        write: (work) =>
          mine.write(async (tx: Tx) => {
            const result = await work(tx);
            if (typeof result === 'number' && runs++ === 0) {
              if (loss === 'cut') line.cut();
              else line.set(loss satisfies LineState);
            }
            return result;
          }),
      };
      const { log, publisher } = await parts(losing);
      const first = publisher.publish();
      await append();
      await first.catch(() => undefined);
      await append();
      const head = await publisher.publish();
      expect(head?.size).toBe(log.durableSize());
      const rows = await mine.read((reader) =>
        reader.db.select().from(entryTable).orderBy(entryTable.number),
      );
      const mapped = new PersonIndex(sha256);
      let heads = 0;
      for (const { leaf } of rows) {
        if (isMapHead(leaf)) {
          heads += 1;
          expect(Buffer.from(decodeMapHead(leaf).root)).toEqual(Buffer.from(mapped.root()));
        }
        mapped.add(leaf);
      }
      expect(heads).toBeGreaterThan(0);
      expect(runs).toBeGreaterThan(0);
      await mine.close();
      await other.close();
      await line.close();
    },
  );
});
