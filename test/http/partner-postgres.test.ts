// What partner.test.ts says, on PostgreSQL.
import { afterAll } from 'vitest';
import { alsoOnPostgres } from '../support/on-stores.ts';
import { dropDatabases } from '../support/postgres.ts';

afterAll(dropDatabases);
await alsoOnPostgres('a partner’s calls', () => import('./partner.test.ts'));
