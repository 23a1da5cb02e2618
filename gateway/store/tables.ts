// The tables as Drizzle sees them. The SQL in migrations/ is the truth; a test compares both.
import { blob, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const setting = sqliteTable('setting', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
});

export const person = sqliteTable('person', {
  id: text('id').primaryKey(),
  reference: text('reference'),
  status: text('status').notNull(),
  gpcSinceMs: integer('gpc_since_ms'),
  createdMs: integer('created_ms').notNull(),
});

export const account = sqliteTable('account', {
  person: text('person').primaryKey(),
  userName: text('user_name').notNull(),
  password: text('password').notNull(),
  createdMs: integer('created_ms').notNull(),
});

export const invitation = sqliteTable('invitation', {
  hash: text('hash').primaryKey(),
  person: text('person').notNull(),
  expiresMs: integer('expires_ms').notNull(),
  usedMs: integer('used_ms'),
});

export const staff = sqliteTable('staff', {
  id: text('id').primaryKey(),
  userName: text('user_name').notNull(),
  role: text('role').notNull(),
  password: text('password').notNull(),
  createdMs: integer('created_ms').notNull(),
});

export const staffToken = sqliteTable('staff_token', {
  hash: text('hash').primaryKey(),
  staff: text('staff').notNull(),
  expiresMs: integer('expires_ms').notNull(),
});

export const session = sqliteTable('session', {
  hash: text('hash').primaryKey(),
  kind: text('kind').notNull(),
  subject: text('subject').notNull(),
  csrf: text('csrf').notNull(),
  createdMs: integer('created_ms').notNull(),
  expiresMs: integer('expires_ms').notNull(),
});

export const holderKey = sqliteTable('holder_key', {
  holder: text('holder').primaryKey(),
  data: blob('data', { mode: 'buffer' }),
  evidence: blob('evidence', { mode: 'buffer' }),
  tag: blob('tag', { mode: 'buffer' }),
});

export const notice = sqliteTable('notice', {
  id: text('id').notNull(),
  version: integer('version').notNull(),
  language: text('language').notNull(),
  body: text('body').notNull(),
  hash: text('hash').notNull(),
  replacedAsksAgain: integer('replaced_asks_again').notNull().default(0),
  publishedMs: integer('published_ms').notNull(),
});

export const consentEvent = sqliteTable('consent_event', {
  number: integer('number').primaryKey(),
  person: text('person').notNull(),
  category: text('category').notNull(),
  purpose: text('purpose').notNull(),
  recipient: text('recipient').notNull(),
  action: text('action').notNull(),
  method: text('method').notNull(),
  noticeHash: text('notice_hash'),
  validUntilMs: integer('valid_until_ms'),
  extent: text('extent').notNull().default('{}'),
  collectedMs: integer('collected_ms').notNull(),
  recordedMs: integer('recorded_ms').notNull(),
});

export const switchRow = sqliteTable('switch', {
  person: text('person').notNull(),
  category: text('category').notNull(),
  purpose: text('purpose').notNull(),
  recipient: text('recipient').notNull(),
  state: text('state').notNull(),
  validUntilMs: integer('valid_until_ms'),
  noticeHash: text('notice_hash'),
  extent: text('extent').notNull().default('{}'),
  sinceMs: integer('since_ms').notNull(),
  event: integer('event').notNull(),
});

export const partner = sqliteTable('partner', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  status: text('status').notNull(),
  client: text('client').notNull(),
  createdMs: integer('created_ms').notNull(),
});

export const oauthGrant = sqliteTable('oauth_grant', {
  id: text('id').primaryKey(),
  person: text('person').notNull(),
  partner: text('partner').notNull(),
  scopes: text('scopes').notNull(),
  noticeHash: text('notice_hash'),
  createdMs: integer('created_ms').notNull(),
  expiresMs: integer('expires_ms').notNull(),
  revokedMs: integer('revoked_ms'),
});

export const oauthRecord = sqliteTable('oauth_record', {
  model: text('model').notNull(),
  hash: text('hash').notNull(),
  payload: text('payload').notNull(),
  grantHash: text('grant_hash'),
  uidHash: text('uid_hash'),
  account: text('account'),
  expiresMs: integer('expires_ms'),
  consumedMs: integer('consumed_ms'),
});

export const entry = sqliteTable('entry', {
  number: integer('number').primaryKey(),
  leaf: blob('leaf', { mode: 'buffer' }).notNull(),
  leafHash: blob('leaf_hash', { mode: 'buffer' }).notNull(),
  holder: text('holder'),
  sequence: integer('sequence').notNull(),
  operationId: text('operation_id').notNull(),
  kind: integer('kind').notNull(),
  atMs: integer('at_ms').notNull(),
  outcome: text('outcome').notNull(),
  recipient: text('recipient'),
  keyClass: text('key_class').notNull(),
  nonce: blob('nonce', { mode: 'buffer' }),
  payload: blob('payload', { mode: 'buffer' }),
});

export const checkpoint = sqliteTable('checkpoint', {
  size: integer('size').primaryKey(),
  root: blob('root', { mode: 'buffer' }).notNull(),
  note: text('note').notNull(),
  signedMs: integer('signed_ms').notNull(),
});

export const cosignature = sqliteTable('cosignature', {
  size: integer('size').notNull(),
  witness: text('witness').notNull(),
  line: text('line').notNull(),
  atMs: integer('at_ms').notNull(),
});

export const erasure = sqliteTable('erasure', {
  id: text('id').primaryKey(),
  person: text('person').notNull(),
  state: text('state').notNull(),
  requestedMs: integer('requested_ms').notNull(),
  requestedEntry: integer('requested_entry').notNull(),
  completedMs: integer('completed_ms'),
  completedEntry: integer('completed_entry'),
  evidenceUntilMs: integer('evidence_until_ms').notNull(),
  counts: text('counts').notNull().default('{}'),
  receiptHash: text('receipt_hash'),
});

export const suppression = sqliteTable('suppression', {
  hash: text('hash').primaryKey(),
  sinceMs: integer('since_ms').notNull(),
});

export const legalHold = sqliteTable('legal_hold', {
  id: text('id').primaryKey(),
  person: text('person').notNull(),
  categories: text('categories').notNull(),
  payloads: integer('payloads').notNull(),
  reason: text('reason').notNull(),
  disclose: integer('disclose').notNull(),
  orderedBy: text('ordered_by').notNull(),
  orderedMs: integer('ordered_ms').notNull(),
  confirmedBy: text('confirmed_by'),
  confirmedMs: integer('confirmed_ms'),
  expiresMs: integer('expires_ms').notNull(),
  endedBy: text('ended_by'),
  endedMs: integer('ended_ms'),
});

export const anchor = sqliteTable('anchor', {
  id: integer('id').primaryKey(),
  epoch: text('epoch').notNull(),
  size: integer('size').notNull(),
  root: blob('root', { mode: 'buffer' }).notNull(),
  checkpointHash: blob('checkpoint_hash', { mode: 'buffer' }).notNull(),
  nonce: integer('nonce').notNull(),
  raw: text('raw').notNull(),
  transactionHash: text('transaction_hash').notNull(),
  state: text('state').notNull(),
  sequence: integer('sequence'),
  blockNumber: integer('block_number'),
  blockHash: text('block_hash'),
  gasUsed: integer('gas_used'),
  costWei: text('cost_wei'),
  createdMs: integer('created_ms').notNull(),
  changedMs: integer('changed_ms').notNull(),
});

export const source = sqliteTable('source', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  legalBasis: text('legal_basis').notNull(),
  importedMs: integer('imported_ms').notNull(),
  accepted: integer('accepted').notNull(),
  rejected: integer('rejected').notNull(),
});

export const item = sqliteTable('item', {
  key: text('key').primaryKey(),
  title: text('title').notNull(),
  attributes: text('attributes').notNull().default('{}'),
  source: text('source').notNull(),
});

export const event = sqliteTable('event', {
  id: integer('id').primaryKey(),
  person: text('person').notNull(),
  category: text('category').notNull(),
  kind: text('kind').notNull(),
  item: text('item').notNull(),
  value: real('value'),
  atMs: integer('at_ms').notNull(),
  source: text('source').notNull(),
});

export const attribute = sqliteTable('attribute', {
  person: text('person').notNull(),
  name: text('name').notNull(),
  value: text('value').notNull(),
  category: text('category').notNull(),
  source: text('source').notNull(),
});

export const quarantine = sqliteTable('quarantine', {
  id: integer('id').primaryKey(),
  source: text('source').notNull(),
  line: integer('line').notNull(),
  code: text('code').notNull(),
  person: text('person'),
  nonce: blob('nonce', { mode: 'buffer' }).notNull(),
  raw: blob('raw', { mode: 'buffer' }).notNull(),
  expiresMs: integer('expires_ms').notNull(),
});

export const run = sqliteTable('run', {
  id: text('id').primaryKey(),
  operation: text('operation').notNull(),
  state: text('state').notNull(),
  population: text('population').notNull(),
  consentEvent: integer('consent_event').notNull(),
  people: integer('people').notNull(),
  startedEntry: integer('started_entry').notNull(),
  endedEntry: integer('ended_entry'),
  manifest: text('manifest').notNull().default('{}'),
  begunMs: integer('begun_ms').notNull(),
  endedMs: integer('ended_ms'),
  process: integer('process'),
});

export const runMember = sqliteTable('run_member', {
  run: text('run').notNull(),
  person: text('person').notNull(),
});

export const model = sqliteTable('model', {
  run: text('run').primaryKey(),
  kind: text('kind').notNull(),
  bytes: blob('bytes', { mode: 'buffer' }).notNull(),
  madeMs: integer('made_ms').notNull(),
});

export const budgetScope = sqliteTable('budget_scope', {
  id: text('id').primaryKey(),
  limitMicro: integer('limit_micro').notNull(),
  spentMicro: integer('spent_micro').notNull(),
});

export const budgetPerson = sqliteTable('budget_person', {
  person: text('person').primaryKey(),
  limitMicro: integer('limit_micro').notNull(),
  spentMicro: integer('spent_micro').notNull().default(0),
});

export const dpQuery = sqliteTable('dp_query', {
  id: text('id').primaryKey(),
  caller: text('caller').notNull(),
  idempotencyKey: text('idempotency_key').notNull(),
  requestHash: text('request_hash').notNull(),
  epsilonMicro: integer('epsilon_micro').notNull(),
  scope: text('scope').notNull(),
  run: text('run').notNull(),
  answer: text('answer'),
  askedMs: integer('asked_ms').notNull(),
});

export const rate = sqliteTable('rate', {
  key: text('key').primaryKey(),
  count: integer('count').notNull(),
  untilMs: integer('until_ms').notNull(),
});
