import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eq } from 'drizzle-orm';
import { Refusal } from '../../gateway/gate.ts';
import {
  addStaff,
  enrol,
  findSession,
  hashSecret,
  invite,
  makeStaffToken,
  sessionTtlMs,
  signIn,
  signInStaff,
  signOut,
  staffOfToken,
} from '../../gateway/operations/accounts.ts';
import { account, invitation, session, staff, staffToken } from '../../gateway/store/tables.ts';
import {
  addPerson,
  closeCores,
  dayMs,
  entriesOf,
  openTestCore,
  rawOf,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
let people = 0;
const password = 'correct horse battery';

beforeAll(async () => {
  core = await openTestCore();
});
afterAll(closeCores);

async function invited(): Promise<{ person: string; code: string; userName: string }> {
  const person = await addPerson(core, `person-${(people += 1)}`);
  const { value: code } = await invite(core.operations, 'op', `test:${person}`);
  return { person, code, userName: `user-${people}` };
}

const size = async (): Promise<number> => (await entriesOf(core)).length;
const everything = (): string =>
  [account, invitation, session, staff, staffToken]
    .map((table) =>
      JSON.stringify(
        rawOf(core)
          .prepare(`SELECT * FROM ${nameOf(table)}`)
          .all(),
      ),
    )
    .join('\n');
const nameOf = (table: object): string =>
  String((table as Record<symbol, unknown>)[Symbol.for('drizzle:Name')]);

describe('an invitation', () => {
  it('links whoever enrols with it to the existing records, and signs them in', async () => {
    const { person, code, userName } = await invited();
    const { value, decisionId } = await enrol(core.operations, { code, userName, password });
    expect(value).toMatchObject({ kind: 'person', subject: person, role: null });
    expect(await findSession(core.operations, value.token)).toMatchObject({ subject: person });
    expect((await entriesOf(core, decisionId)).map(({ kind, row }) => [kind, row.holder])).toEqual([
      ['enrolled', `person:${person}`],
    ]);
  });

  it('is good once', async () => {
    const { code, userName } = await invited();
    await enrol(core.operations, { code, userName, password });
    await expect(enrol(core.operations, { code, userName: `${userName}b`, password })).rejects.toMatchObject({
      code: 'invitation_invalid',
      status: 400,
    });
  });

  it('is good once, also when used twice at the same moment', async () => {
    const { person, code, userName } = await invited();
    const results = await Promise.allSettled(
      ['a', 'b', 'c'].map((end) => enrol(core.operations, { code, userName: userName + end, password })),
    );
    expect(results.map(({ status }) => status).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    const accounts = await core.store.read(async (reader) =>
      reader.db.select().from(account).where(eq(account.person, person)),
    );
    expect(accounts).toHaveLength(1);
  });

  it('ends after 14 days', async () => {
    const { code, userName } = await invited();
    core.clock.advance(14 * dayMs);
    await expect(enrol(core.operations, { code, userName, password })).rejects.toMatchObject({
      code: 'invitation_invalid',
    });
  });

  it('that nobody gave opens nothing and leaves no entry', async () => {
    const before = await size();
    await expect(
      enrol(core.operations, { code: 'guessed', userName: 'guess', password }),
    ).rejects.toMatchObject({ code: 'invitation_invalid' });
    expect(await size()).toBe(before);
  });

  it('is not given for somebody unknown', async () => {
    await expect(invite(core.operations, 'op', 'test:nobody')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('stays good when the enrolment is refused for its name', async () => {
    const first = await invited();
    await enrol(core.operations, { ...first, password });
    const second = await invited();
    await expect(
      enrol(core.operations, { code: second.code, userName: first.userName, password }),
    ).rejects.toMatchObject({ code: 'conflict', details: { field: 'user_name' } });
    await enrol(core.operations, { ...second, password });
  });

  it.each([
    ['a name that ends in a blank', { userName: 'ab ' }],
    ['a name with two blanks', { userName: 'a  b' }],
    ['a name of one letter', { userName: 'a' }],
    ['a name with markup', { userName: '<b>x</b>' }],
    ['a short password', { password: '123456789' }],
    ['an endless password', { password: 'x'.repeat(257) }],
  ])('with %s is malformed and stays good', async (_name, wrong) => {
    const { code, userName } = await invited();
    await expect(enrol(core.operations, { code, userName, password, ...wrong })).rejects.toMatchObject({
      code: 'malformed_request',
    });
    await enrol(core.operations, { code, userName, password });
  });
});

describe('signing in', () => {
  it('fails alike for a wrong password and an unknown name, and leaves no entry', async () => {
    const { userName, code } = await invited();
    await enrol(core.operations, { code, userName, password });
    const before = await size();
    const wrong = [
      signIn(core.operations, userName, 'wrong password'),
      signIn(core.operations, 'nobody-at-all', password),
      signIn(core.operations, userName, ''),
      signIn(core.operations, userName, password.toUpperCase()),
      signIn(core.operations, userName, 'x'.repeat(100_000)),
      signInStaff(core.operations, userName, password),
    ];
    for (const result of await Promise.allSettled(wrong)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'sign_in_failed', status: 401, message: 'Name or password is wrong' },
      });
    }
    expect(await size()).toBe(before);
  });

  it('opens a session that ends by itself, and at once when signed out', async () => {
    const { userName, code } = await invited();
    await enrol(core.operations, { code, userName, password });
    const { value: first } = await signIn(core.operations, userName, password);
    const { value: second } = await signIn(core.operations, userName, password);
    expect(second.token).not.toBe(first.token);
    await signOut(core.operations, first.token);
    expect(await findSession(core.operations, first.token)).toBeUndefined();
    expect(await findSession(core.operations, second.token)).toBeDefined();
    core.clock.advance(sessionTtlMs - 1);
    expect(await findSession(core.operations, second.token)).toBeDefined();
    core.clock.advance(1);
    expect(await findSession(core.operations, second.token)).toBeUndefined();
    await signOut(core.operations, 'no such token');
    // The next sign-in of anybody sweeps it away.
    const { value: third } = await signIn(core.operations, userName, password);
    const left = await core.store.read(async ({ db }) => db.select({ hash: session.hash }).from(session));
    expect(left).toEqual([{ hash: hashSecret(third.token) }]);
  });
});

describe('staff', () => {
  it('sign in to their own role; their tokens end', async () => {
    await addStaff(core.operations, 'op', { userName: 'olga', role: 'officer', password });
    const { value } = await signInStaff(core.operations, 'olga', password);
    expect(value).toMatchObject({ kind: 'staff', role: 'officer' });
    expect(await findSession(core.operations, value.token)).toMatchObject({ kind: 'staff', role: 'officer' });
    const { value: token } = await makeStaffToken(core.operations, 'op', 'olga');
    expect(await staffOfToken(core.operations, token)).toMatchObject({ role: 'officer' });
    await expect(staffOfToken(core.operations, `${token}x`)).rejects.toMatchObject({ code: 'invalid_token' });
    core.clock.advance(90 * dayMs);
    await expect(staffOfToken(core.operations, token)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('have names of their own', async () => {
    await addStaff(core.operations, 'op', { userName: 'ana', role: 'analyst', password });
    await expect(
      addStaff(core.operations, 'op', { userName: 'ana', role: 'officer', password }),
    ).rejects.toMatchObject({ code: 'conflict' });
    await expect(makeStaffToken(core.operations, 'op', 'nobody')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it("an officer cannot turn a person's switch: that is a refusal with an entry", async () => {
    const person = await addPerson(core, 'guarded');
    const refusal: unknown = await core.gate
      .run(
        {
          caller: { kind: 'officer', id: 'olga' },
          operation: 'set-switch',
          purpose: 'service',
          categories: ['profile'],
          recipients: ['self'],
          person,
          grant: null,
        },
        async () => ({ value: null }),
      )
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'forbidden', reason: 'role_not_allowed' });
    expect((await entriesOf(core, (refusal as Refusal).decisionId)).map(({ kind }) => kind)).toEqual([
      'refused',
    ]);
  });
});

it('no secret lies in the database: tokens and invitations as hashes, passwords as Argon2id', async () => {
  const { person, code, userName } = await invited();
  const { value } = await enrol(core.operations, { code, userName, password });
  await addStaff(core.operations, 'op', { userName: 'eve', role: 'analyst', password });
  const { value: token } = await makeStaffToken(core.operations, 'op', 'eve');
  const stored = everything();
  for (const secret of [code, value.token, token, password]) {
    expect(stored).not.toContain(secret);
  }
  for (const secret of [code, value.token, token]) expect(stored).toContain(hashSecret(secret));
  const [row] = await core.store.read(async (reader) =>
    reader.db.select().from(account).where(eq(account.person, person)),
  );
  expect(row?.password).toMatch(/^argon2id\$19456\$2\$/);
});
