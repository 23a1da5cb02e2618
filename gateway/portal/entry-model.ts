// One entry as a page shows it: the decoded leaf, what its payload says, and its way up to the root.
import type { PlainObject } from '../audit/entry.ts';
import type { Core } from '../compose.ts';
import { isOperation } from '../consent/activities.ts';
import { noticeByHash, noticeLabel } from '../consent/notices.ts';
import { isCategory, isPurpose } from '../consent/vocabulary.ts';
import type { OpenedEntry } from '../operations/own.ts';
import type { EntryModel, LeafView, PayloadView } from './pages/entry.ts';
import { evidenceOf, outcomeOf, recipientName, type PartnerNames } from './views.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export async function entryModel(
  core: Core,
  opened: OpenedEntry,
  seenBy: EntryModel['seenBy'],
  partners: PartnerNames,
): Promise<EntryModel> {
  const reached = await core.prover.reached();
  return {
    seenBy,
    index: opened.number,
    leaf: leafView(opened),
    payload:
      opened.payload === null
        ? { state: opened.isClosed ? 'closed' : 'erased' }
        : {
            ...(await payloadView(core, opened, opened.payload, partners)),
            // To themself a person is no number.
            ...(seenBy === 'person' ? { personId: null } : toOthers(opened.payload)),
          },
    evidence: evidenceOf(opened.number, reached),
    inclusion: await inclusionView(core, opened),
  };
}

function leafView(opened: OpenedEntry): LeafView {
  const { leaf, leafHash } = opened;
  return {
    version: 1,
    kind: leaf.kind,
    atMs: leaf.atSeconds * 1000,
    commitment: hex(leaf.commitment),
    startedIndex: leaf.startedIndex,
    person:
      leaf.about.concern === 'person' ? { tag: hex(leaf.about.tag), sequence: leaf.about.sequence } : null,
    population:
      leaf.about.concern === 'population'
        ? { key: hex(leaf.about.population), cohort: hex(leaf.about.cohort) }
        : null,
    leafHash: hex(leafHash),
  };
}

async function payloadView(
  core: Core,
  opened: OpenedEntry,
  payload: PlainObject,
  partners: PartnerNames,
): Promise<PayloadView> {
  const text = (name: string): string | null => (typeof payload[name] === 'string' ? payload[name] : null);
  const list = (name: string): string[] => {
    const value = payload[name];
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
  };
  const operation = text('operation');
  const purpose = text('purpose');
  const [recipient] = list('recipients');
  const [notice] = list('notices');
  const found =
    notice === undefined ? undefined : await core.store.read((reader) => noticeByHash(reader, notice));
  const counts = payload['counts'] as PlainObject | undefined;
  const caller = payload['caller'] as PlainObject | undefined;
  const id = caller?.['id'];
  const isPartner = caller?.['kind'] === 'partner' && typeof id === 'string';
  const acted = isPartner ? `partner:${id}` : (recipient ?? null);
  return {
    state: 'readable',
    atMs: typeof payload['at'] === 'number' ? payload['at'] : opened.atMs,
    operation: isOperation(operation) ? operation : 'administer',
    personId: text('person'),
    recipientName: acted === null ? null : recipientName(acted, partners),
    purpose: isPurpose(purpose) ? purpose : null,
    categories: list('categories').filter(isCategory),
    basis: text('basis'),
    noticeVersion: found === undefined ? null : noticeLabel(found),
    decisionId: opened.operationId,
    outcome: outcomeOf({
      outcome: opened.outcome as 'allowed' | 'refused' | 'failed' | 'noted',
      kind: opened.leaf.kind,
    }),
    reason: text('reason'),
    rowCount: typeof counts?.['rows'] === 'number' ? counts['rows'] : null,
    peopleCount: typeof payload['people'] === 'number' ? payload['people'] : null,
  };
}

async function inclusionView(core: Core, opened: OpenedEntry): Promise<EntryModel['inclusion']> {
  const head = await core.publisher.latest();
  if (head === undefined || opened.number >= head.size) return null;
  const tree = await core.log.tree();
  return {
    index: opened.number,
    size: head.size,
    leafHash: hex(opened.leafHash),
    path: tree.inclusionPath(opened.number, head.size).map(hex),
    root: hex(head.root),
  };
}

/** Who acted on their own data is “you” to themself alone. */
function toOthers(payload: PlainObject): Pick<PayloadView, 'recipientName'> | undefined {
  const { recipients } = payload;
  const isOwn = Array.isArray(recipients) && recipients[0] === 'self';
  return isOwn ? { recipientName: { en: 'The person', zh: '本人' } } : undefined;
}
