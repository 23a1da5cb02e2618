// How people and staff get in: invitations, enrolment, sign-in, sessions.
import { argon2, createHash, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { and, eq, gt, isNull, lte } from 'drizzle-orm';
import type { CallerKind } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { GateRequest, Released } from '../gate.ts';
import { bound, query, type Tx } from '../store/store.ts';
import { account, invitation, person as personTable, session, staff, staffToken } from '../store/tables.ts';
import { newId } from '../system.ts';
import type { OperationParts } from './parts.ts';

export type StaffRole = Extract<CallerKind, 'officer' | 'analyst' | 'operator'>;

export const sessionTtlMs = 12 * 3_600_000;
const invitationTtlMs = 14 * 86_400_000;
const tokenTtlMs = 90 * 86_400_000;
const userNamePattern = /^(?=.{2,64}$)[\p{L}\p{N}._@+-]+(?: [\p{L}\p{N}._@+-]+)*$/u;
const passwordLimits = { least: 12, most: 256 };

export interface Session {
  readonly kind: 'person' | 'staff';
  /** Person id, or staff id. */
  readonly subject: string;
  readonly role: StaffRole | null;
  readonly csrf: string;
}

/** A session found again, with the name its owner signs in with. */
export interface KnownSession extends Session {
  readonly name: string;
}

export interface NewSession extends Session {
  /** Goes into the cookie; only its hash is stored. */
  readonly token: string;
}

/** SHA-256, hex: how every bearer secret is kept. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** A request of a person about themself. */
export function ownRequest(
  person: string,
  operation: GateRequest['operation'],
  more: Partial<Pick<GateRequest, 'categories' | 'about' | 'purpose'>> = {},
): GateRequest {
  return {
    caller: { kind: 'person', id: person },
    operation,
    purpose: more.purpose ?? 'service',
    categories: more.categories ?? ['profile'],
    recipients: ['self'],
    person,
    grant: null,
    ...(more.about === undefined ? {} : { about: more.about }),
  };
}

/** A request of staff or the system that concerns no one person. */
export function staffRequest(
  caller: GateRequest['caller'],
  operation: GateRequest['operation'],
  about?: Readonly<Record<string, unknown>>,
): GateRequest {
  return {
    caller,
    operation,
    purpose: 'service',
    categories: ['profile'],
    recipients: [caller.kind === 'officer' ? 'officer' : 'operator'],
    person: null,
    grant: null,
    ...(about === undefined ? {} : { about }),
  };
}

/** Refuses staff of another role, on the record. @throws Refusal always */
export function refuseRole(
  parts: Pick<OperationParts, 'gate'>,
  role: StaffRole,
  id: string,
  operation: GateRequest['operation'],
): Promise<never> {
  return parts.gate.refuse(staffRequest({ kind: role, id }, operation), 'role_not_allowed');
}

/** Makes a one-time code that links whoever enrols with it to this person's existing records. */
export async function invite(
  parts: OperationParts,
  operator: string,
  reference: string,
): Promise<Released<string>> {
  const code = Buffer.from(parts.system.random.bytes(15)).toString('base64url');
  const expiresMs = parts.system.clock.nowMs() + invitationTtlMs;
  return parts.gate.run(
    async (tx) => {
      const [row] = await tx.db
        .select({ id: personTable.id })
        .from(personTable)
        .where(eq(personTable.reference, reference));
      if (row === undefined) throw new GatewayError('not_found', 'there is no person with this reference');
      return { ...staffRequest({ kind: 'operator', id: operator }, 'invite'), person: row.id };
    },
    async (permit, tx) => {
      await tx.db
        .insert(invitation)
        .values({ hash: hashSecret(code), person: permit.terms.person ?? '', expiresMs, usedMs: null });
      return { value: code, kind: 'enrolled', keyClass: 'evidence' };
    },
  );
}

export interface Enrolment {
  readonly code: string;
  readonly userName: string;
  readonly password: string;
}

/** Links an account to the invited person and signs them in. */
export async function enrol(parts: OperationParts, enrolment: Enrolment): Promise<Released<NewSession>> {
  const { userName, code } = enrolment;
  if (!userNamePattern.test(userName))
    throw new GatewayError(
      'malformed_request',
      'a name has 2 to 64 letters, digits, single spaces or . _ @ + -',
    );
  if (enrolment.password.length < passwordLimits.least || enrolment.password.length > passwordLimits.most) {
    throw new GatewayError(
      'malformed_request',
      `a password has ${passwordLimits.least} to ${passwordLimits.most} characters`,
    );
  }
  const password = await hashPassword(parts, enrolment.password);
  const nowMs = parts.system.clock.nowMs();
  return parts.gate.run(
    async (tx) => {
      const [row] = await tx.db
        .select()
        .from(invitation)
        .where(
          and(
            eq(invitation.hash, hashSecret(code)),
            gt(invitation.expiresMs, nowMs),
            isNull(invitation.usedMs),
          ),
        );
      if (row === undefined) throw new GatewayError('invitation_invalid');
      return ownRequest(row.person, 'enrol');
    },
    async (permit, tx) => {
      const person = permit.terms.person ?? '';
      const [taken] = await tx.db.select().from(account).where(eq(account.userName, userName));
      if (taken !== undefined)
        throw new GatewayError('conflict', 'this name is taken', { details: { field: 'user_name' } });
      const [existing] = await tx.db.select().from(account).where(eq(account.person, person));
      if (existing !== undefined) throw new GatewayError('conflict', 'this person has an account');
      await tx.db.insert(account).values({ person, userName, password, createdMs: nowMs });
      await tx.db
        .update(invitation)
        .set({ usedMs: nowMs })
        .where(eq(invitation.hash, hashSecret(code)));
      return {
        value: await openSession(parts, tx, { kind: 'person', subject: person, role: null }),
        kind: 'enrolled',
        keyClass: 'evidence',
      };
    },
  );
}

/** @throws GatewayError `sign_in_failed`; takes as long for an unknown name as for a wrong password */
export async function signIn(
  parts: OperationParts,
  userName: string,
  password: string,
): Promise<Released<NewSession>> {
  const [row] = await parts.read((reader) =>
    reader.db.select().from(account).where(eq(account.userName, userName)),
  );
  await checkPassword(parts, password, row?.password);
  return signInPerson(parts, row?.person ?? '');
}

/** Signs a person in whose identity was shown otherwise (the demo's doors, enrolment). */
export function signInPerson(parts: OperationParts, person: string): Promise<Released<NewSession>> {
  return parts.gate.run(ownRequest(person, 'sign-in'), async (_permit, tx) => ({
    value: await openSession(parts, tx, { kind: 'person', subject: person, role: null }),
    kind: 'signed-in',
    keyClass: 'evidence',
  }));
}

/** @throws GatewayError `sign_in_failed` */
export async function signInStaff(
  parts: OperationParts,
  userName: string,
  password: string,
): Promise<Released<NewSession>> {
  const [row] = await parts.read((reader) =>
    reader.db.select().from(staff).where(eq(staff.userName, userName)),
  );
  await checkPassword(parts, password, row?.password);
  if (row === undefined) throw new GatewayError('sign_in_failed');
  return openStaffSession(parts, row.id, row.role as StaffRole);
}

export function openStaffSession(
  parts: OperationParts,
  id: string,
  role: StaffRole,
): Promise<Released<NewSession>> {
  return parts.gate.run(staffRequest({ kind: role, id }, 'staff-sign-in'), async (_permit, tx) => ({
    value: await openSession(parts, tx, { kind: 'staff', subject: id, role }),
    kind: 'signed-in',
    keyClass: 'evidence',
  }));
}

const sessionByHash = query((db) =>
  db
    .select({
      kind: session.kind,
      subject: session.subject,
      csrf: session.csrf,
      expiresMs: session.expiresMs,
      role: staff.role,
      staffName: staff.userName,
      personName: account.userName,
    })
    .from(session)
    .leftJoin(staff, and(eq(staff.id, session.subject), eq(session.kind, 'staff')))
    .leftJoin(account, and(eq(account.person, session.subject), eq(session.kind, 'person')))
    .where(eq(session.hash, bound('hash'))),
);

/** The live session of a cookie's token; undefined for anything else. */
export async function findSession(parts: OperationParts, token: string): Promise<KnownSession | undefined> {
  const [row] = await parts.read((reader) => reader.run(sessionByHash, { hash: hashSecret(token) }));
  if (row === undefined || row.expiresMs <= parts.system.clock.nowMs()) return undefined;
  return {
    kind: row.kind as Session['kind'],
    subject: row.subject,
    role: row.role as StaffRole | null,
    csrf: row.csrf,
    name: row.staffName ?? row.personName ?? '',
  };
}

/** Ends a session. Ending it reads no personal data, so it needs no decision, but it is written like everything else. */
export async function signOut(parts: OperationParts, token: string): Promise<void> {
  const found = await findSession(parts, token);
  if (found === undefined) return;
  const request =
    found.kind === 'person'
      ? ownRequest(found.subject, 'sign-in', { about: { ended: true } })
      : staffRequest({ kind: found.role ?? 'officer', id: found.subject }, 'staff-sign-in', { ended: true });
  await parts.gate.run(request, async (_permit, tx) => {
    await tx.db.delete(session).where(eq(session.hash, hashSecret(token)));
    return { value: undefined, kind: 'signed-in', keyClass: 'evidence' };
  });
}

/** Adds an officer, analyst or operator. */
export async function addStaff(
  parts: OperationParts,
  operator: string,
  member: { userName: string; role: StaffRole; password: string },
): Promise<Released<string>> {
  if (!userNamePattern.test(member.userName))
    throw new GatewayError(
      'malformed_request',
      'a name has 2 to 64 letters, digits, single spaces or . _ @ + -',
    );
  if (member.password.length < passwordLimits.least || member.password.length > passwordLimits.most) {
    throw new GatewayError(
      'malformed_request',
      `a password has ${passwordLimits.least} to ${passwordLimits.most} characters`,
    );
  }
  const id = newId(parts.system.random);
  const password = await hashPassword(parts, member.password);
  const request = staffRequest({ kind: 'operator', id: operator }, 'administer', { added: member.role });
  return parts.gate.run(request, async (_permit, tx) => {
    const [taken] = await tx.db.select().from(staff).where(eq(staff.userName, member.userName));
    if (taken !== undefined) throw new GatewayError('conflict', 'this name is taken');
    await tx.db.insert(staff).values({
      id,
      userName: member.userName,
      role: member.role,
      password,
      createdMs: parts.system.clock.nowMs(),
    });
    return { value: id, kind: 'configured', keyClass: 'evidence' };
  });
}

/** A token for staff scripts, such as an analyst's queries; shown once. */
export async function makeStaffToken(
  parts: OperationParts,
  operator: string,
  userName: string,
): Promise<Released<string>> {
  const token = `staff_${Buffer.from(parts.system.random.bytes(32)).toString('base64url')}`;
  const request = staffRequest({ kind: 'operator', id: operator }, 'administer', { issued: 'staff token' });
  return parts.gate.run(request, async (_permit, tx) => {
    const [row] = await tx.db.select().from(staff).where(eq(staff.userName, userName));
    if (row === undefined) throw new GatewayError('not_found', 'there is no such staff member');
    await tx.db
      .insert(staffToken)
      .values({ hash: hashSecret(token), staff: row.id, expiresMs: parts.system.clock.nowMs() + tokenTtlMs });
    return { value: token, kind: 'key-event', keyClass: 'evidence' };
  });
}

/** Who a staff token belongs to. @throws GatewayError `invalid_token` */
export async function staffOfToken(
  parts: OperationParts,
  token: string,
): Promise<{ id: string; role: StaffRole }> {
  const [row] = await parts.read((reader) =>
    reader.db
      .select({ id: staff.id, role: staff.role, expiresMs: staffToken.expiresMs })
      .from(staffToken)
      .innerJoin(staff, eq(staff.id, staffToken.staff))
      .where(eq(staffToken.hash, hashSecret(token))),
  );
  if (row === undefined || row.expiresMs <= parts.system.clock.nowMs())
    throw new GatewayError('invalid_token');
  return { id: row.id, role: row.role as StaffRole };
}

async function openSession(
  parts: OperationParts,
  tx: Tx,
  who: Pick<Session, 'kind' | 'subject' | 'role'>,
): Promise<NewSession> {
  const token = Buffer.from(parts.system.random.bytes(32)).toString('base64url');
  const csrf = Buffer.from(parts.system.random.bytes(24)).toString('base64url');
  const createdMs = parts.system.clock.nowMs();
  // When somebody was here is of no use once the session is over.
  await tx.db.delete(session).where(lte(session.expiresMs, createdMs));
  await tx.db.insert(session).values({
    hash: hashSecret(token),
    kind: who.kind,
    subject: who.subject,
    csrf,
    createdMs,
    expiresMs: createdMs + sessionTtlMs,
  });
  return { ...who, csrf, token };
}

// OWASP password storage cheat sheet: Argon2id, 19 MiB, 2 passes, 1 lane.
const argon = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const hashWithArgon = promisify(argon2);

async function hashPassword(parts: OperationParts, password: string): Promise<string> {
  const nonce = parts.system.random.bytes(16);
  const hash = await hashWithArgon('argon2id', { ...argon, message: password, nonce });
  return `argon2id$${argon.memory}$${argon.passes}$${Buffer.from(nonce).toString('base64url')}$${Buffer.from(hash).toString('base64url')}`;
}

/** Whether this is the password of that person's account; for a step that asks again. */
export async function confirmPassword(
  parts: OperationParts,
  person: string,
  password: string,
): Promise<boolean> {
  const [row] = await parts.read((reader) =>
    reader.db.select({ password: account.password }).from(account).where(eq(account.person, person)),
  );
  try {
    await checkPassword(parts, password, row?.password);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'sign_in_failed') return false;
    throw error;
  }
}

async function checkPassword(
  parts: OperationParts,
  password: string,
  stored: string | undefined,
): Promise<void> {
  if (password.length > passwordLimits.most) throw new GatewayError('sign_in_failed');
  const [, memory, passes, nonce, expected] = stored?.split('$') ?? [];
  const hash = await hashWithArgon('argon2id', {
    memory: Number(memory ?? argon.memory),
    passes: Number(passes ?? argon.passes),
    parallelism: argon.parallelism,
    tagLength: argon.tagLength,
    message: password,
    nonce: nonce === undefined ? parts.system.random.bytes(16) : Buffer.from(nonce, 'base64url'),
  });
  const wanted = Buffer.from(expected ?? '', 'base64url');
  if (wanted.length !== hash.length || !timingSafeEqual(wanted, hash))
    throw new GatewayError('sign_in_failed');
}
