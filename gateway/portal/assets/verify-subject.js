// Draws what a verified file says, for each kind of file. Nothing here is asked before the verifier has said that it holds.
import {
  cell,
  code,
  count,
  element,
  facts,
  fill,
  number,
  pagedTable,
  section,
  time,
  words,
} from 'assent/draw';

/**
 * The parts of the report about what the file says; `result.subject` is there.
 * @param isOwn whether the reader of a file about a person is that person
 */
export function subjectParts(result, isOwn = true) {
  const { subject } = result;
  const draw = { entry, person, evidence, receipt }[subject.kind];
  return [
    ...draw(subject, result, isOwn),
    limits(subject.kind === 'person' && !isOwn ? 'personOther' : subject.kind),
  ];
}

function entry(subject, { head }) {
  const { index, payload } = subject;
  const row = describe(subject, false);
  return [
    section(
      words.says,
      claim(count(words.claims.entry, 1, { index: number(index) })),
      facts([
        [words.facts.when, time(subject.entry.atSeconds * 1000)],
        [words.facts.what, what(row)],
        [words.facts.by, row.by],
        [words.facts.purpose, row.purpose],
        [words.facts.decision, decision(row)],
        ...headFacts(head),
      ]),
      payload === null ? element('p', 'quiet', words.erasedText) : pre(payload),
    ),
  ];
}

function person(subject, { head }, isOwn) {
  const { count: n, newCount, earlier, isWhole, tag, entries } = subject;
  const { notWhole, notCompared } = words.claims;
  const said = [
    claim(
      isWhole
        ? count(isOwn ? words.claims.person : words.claims.personOther, n)
        : count(earlier?.isCompared ? notWhole : notCompared, newCount),
    ),
    ...(isWhole && earlier !== null
      ? [element('p', '', count(words.claims.compared, newCount, { before: number(n - newCount) }))]
      : []),
  ];
  const newest = entries.at(-1);
  return [
    section(
      words.says,
      ...said,
      facts([
        [words.facts.newest, newest === undefined ? words.noEntry : time(newest.entry.atSeconds * 1000)],
        ...headFacts(head),
        [words.facts.earlier, earlier === null ? '' : count(words.earlierHead, earlier.size)],
        [isOwn ? words.facts.tag : words.facts.personTag, code(tag)],
      ]),
    ),
    section(words.entries, entriesTable(entries, isOwn)),
    section(words.populations, ...populations(subject, isOwn)),
    ...changes(subject),
  ];
}

function evidence(subject, { head }) {
  const { selection, range, entries, madeAt, notices, receipts } = subject;
  const complete =
    range === null
      ? words.selected
      : range.end === range.first
        ? words.completeEmpty
        : fill(words.complete, { first: number(range.first), last: number(range.end - 1) });
  return [
    section(
      words.says,
      claim(count(words.claims.evidence, entries.length)),
      element('p', '', complete),
      facts([
        [words.facts.selection, words.selections[selection.kind]],
        ...selected(selection),
        [words.facts.from, selection.from === null ? '' : time(Date.parse(selection.from))],
        [words.facts.to, selection.to === null ? '' : time(Date.parse(selection.to))],
        [words.facts.made, time(Date.parse(madeAt))],
        ...headFacts(head),
      ]),
    ),
    section(words.entries, entriesTable(entries, false)),
    ...(notices.length === 0 ? [] : [section(words.notices, ...notices.map(notice))]),
    ...(receipts.length === 0 ? [] : [section(words.receipts, ...receipts.map(folded))]),
  ];
}

function selected({ kind, value }) {
  if (kind === 'person') return [[words.facts.personTag, code(value)]];
  if (kind === 'purpose') return [[words.facts.purpose, words.purposes[value] ?? value]];
  return value === '' ? [] : [[words.selections[kind], value]];
}

function receipt(subject) {
  return [
    section(words.says, claim(words.receiptClaims[subject.about]), ...receiptParts(subject, words.facts.tag)),
  ];
}

function receiptParts({ at, tag, entries, statement }, tagLabel) {
  const { text, ...rest } = statement;
  const sentences = text?.[words.lang] ?? text?.en ?? text;
  const list = Array.isArray(sentences) ? sentences.filter((one) => typeof one === 'string') : [];
  const isText = list.length > 0;
  const whole = element('details');
  whole.append(element('summary', '', words.statement), pre(isText ? rest : statement));
  return [
    ...(isText ? [bullets(list)] : []),
    facts([
      [words.facts.made, time(Date.parse(at))],
      ...statementFacts(statement),
      [tagLabel, code(tag)],
      ...entries.map(({ index, leafHash }) => [
        `${words.facts.entry} ${number(index)}`,
        labelled(words.facts.leafHash, leafHash),
      ]),
    ]),
    whole,
  ];
}

/** The times and switches of a statement; what else it holds is in its own words. */
function statementFacts(statement) {
  const times = Object.entries(words.statementFacts).flatMap(([name, label]) => {
    const value = textOf(statement[name]);
    return value === '' ? [] : [[label, time(Date.parse(value), value)]];
  });
  const switches = Array.isArray(statement.switches) ? statement.switches : [];
  return [
    ...times,
    ...switches.map((one) => [
      words.switchStates[one?.action] ?? textOf(one?.action),
      [words.categories[one?.category], words.purposes[one?.purpose], textOf(one?.recipient)]
        .filter((part) => part)
        .join(' · '),
    ]),
  ];
}

function folded(one) {
  const box = element('details');
  const title = element('summary', '', words.receiptNames[one.about]);
  title.append(' · ', time(Date.parse(one.at)));
  box.append(title, ...receiptParts(one, words.facts.personTag));
  return box;
}

function notice({ id, version, language, body, hash }) {
  const box = element('details');
  box.append(element('summary', '', fill(words.notice, { id, version: String(version), language })));
  const text = element('div', 'notice');
  text.lang = language;
  text.append(...body.split(/\n{2,}/).map((part) => element('p', '', part)));
  box.append(text, facts([[words.hash, code(hash)]]));
  return box;
}

const claim = (text) => element('p', 'claim', text);

function headFacts(head) {
  if (head === undefined) return [];
  const said = element('span', '', `${count(words.leaves, head.size)} · ${words.root} `);
  said.append(code(base64(head.root)));
  return [
    [words.facts.checkpoint, said],
    [words.facts.log, head.origin],
  ];
}

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

function labelled(label, value) {
  const said = element('span', '', `${label} `);
  said.append(code(value));
  return said;
}

/** Newest first, because that is what one looks for; the list itself is proven whatever its order on the screen. */
function entriesTable(entries, isOwn) {
  if (entries.length === 0) return element('p', 'quiet', words.noEntries);
  const { entry: name, when, what: event, by, purpose, decision: end } = words.facts;
  return pagedTable([name, when, event, by, purpose, end], [...entries].reverse(), (shown) => {
    const row = describe(shown, isOwn);
    const line = element('tr');
    const first = element('th', 'number-name', number(shown.index));
    first.scope = 'row';
    line.append(
      first,
      cell(when, time(shown.entry.atSeconds * 1000, `${shown.entry.atSeconds} s`)),
      cell(event, what(row)),
      cell(by, row.by),
      cell(purpose, row.purpose),
      cell(end, decision(row), ...detailsOf(shown)),
    );
    return line;
  });
}

function detailsOf({ index, payload }) {
  if (payload === null) return [];
  const box = element('details');
  const title = element('summary', '', words.details);
  title.setAttribute('aria-label', fill(words.detailsOf, { index: number(index) }));
  box.append(title);
  // Made when it is asked for: there may be thousands.
  box.addEventListener('toggle', () => {
    if (box.open && box.childElementCount === 1) box.append(pre(payload));
  });
  return [box];
}

/** @param isOwn whether the reader is the person: then that is “you” */
function describe({ entry: leaf, payload, erased }, isOwn) {
  if (leaf.kind === 'map-head') return { what: words.mapHead, about: '', by: '', purpose: '', decision: '' };
  const kind = words.entryKinds[leaf.kind] ?? leaf.kind;
  if (payload === null)
    return {
      what: kind,
      about: !erased ? '' : isOwn ? words.erased : words.closed,
      by: '',
      purpose: '',
      decision: '',
    };
  const outcome = textOf(payload.decision);
  const isDone = outcome === '' || outcome === 'allowed' || outcome === 'started';
  const operation = textOf(payload.operation);
  const done = words.operations[operation] ?? operation;
  const categories = Array.isArray(payload.categories) ? payload.categories : [];
  const reason = textOf(payload.reason);
  const reasons = isOwn ? words.reasons : words.reasonsToOthers;
  return {
    what: (isDone ? done : (words.attempts[operation] ?? done)) || kind,
    about: categories.map((one) => words.categories[one] ?? String(one)).join(' · '),
    by: callerOf(payload, isOwn),
    purpose: words.purposes[payload.purpose] ?? textOf(payload.purpose),
    decision: words.outcomes[outcome] ?? outcome,
    reason: reasons[reason] ?? reason,
  };
}

function callerOf({ caller, person: about }, isOwn) {
  const kind = textOf(caller?.kind);
  const id = textOf(caller?.id);
  // A person may appear beside another one, as a counterpart: only they themself are “you”.
  if (kind === 'person')
    return isOwn && (about === undefined || about === id) ? words.callers.you : words.callers.person;
  const name = words.callers[kind];
  if (name === undefined) return id;
  if (name.includes('{id}')) return fill(name, { id });
  return kind === 'officer' || kind === 'analyst' ? `${name} ${id}`.trim() : name;
}

const textOf = (value) => (typeof value === 'string' ? value : '');

function what({ what: said, about }) {
  const box = element('span', '', said);
  if (about !== '') box.append(' ', element('span', 'hint', about));
  return box;
}

function decision({ decision: said, reason }) {
  const box = element('span', '', said);
  if (reason) box.append(' ', element('span', 'hint', reason));
  return box;
}

function populations({ populations: all, isWhole, isErased }, isOwn) {
  if (all === null) return [element('p', 'quiet', words.noPopulations)];
  const used = all.filter((one) => one.count > 0);
  const unused = all.length - used.length;
  const parts = [element('p', 'quiet', isErased ? words.membersForgotten : words.populationsText)];
  if (used.length > 0) {
    const { population, uses, usesHere } = words;
    const members = isOwn ? words.members : words.membersOther;
    const membersText = isOwn ? words.membersText : words.membersTextOther;
    parts.push(
      pagedTable([population, uses, usesHere, members], used, (one) => {
        const line = element('tr');
        const name = element('th', '', populationName(one.name));
        name.scope = 'row';
        line.append(
          name,
          // What is not shown may be of any length.
          cell(uses, isWhole ? number(one.count) : '–'),
          cell(usesHere, number(one.newCount)),
          cell(
            members,
            one.newCount === 0 || isErased
              ? '–'
              : count(membersText, one.members.length, { shown: number(one.newCount) }),
          ),
        );
        return line;
      }),
    );
  }
  if (unused > 0) parts.push(element('p', 'quiet', count(words.otherPopulations, unused)));
  return parts;
}

/** Names are made of a purpose, a category and an engine part; what is not, is shown as it is. */
function populationName(name) {
  const [purpose, category] = name.split('/');
  const known = words.populationNames[name];
  if (known !== undefined) return known;
  const isUse = words.purposes[purpose] !== undefined && words.categories[category] !== undefined;
  return isUse ? `${words.purposes[purpose]} · ${words.categories[category]}` : name;
}

function changes({ changes: all, entries }) {
  if (all.length === 0) return [];
  const times = new Map(entries.map((shown) => [shown.index, shown.entry.atSeconds]));
  const items = all.flatMap(({ index, joined, left }) => [
    ...joined.map((name) => ({ index, name, verb: words.joined })),
    ...left.map((name) => ({ index, name, verb: words.left })),
  ]);
  const { entry: number_, when } = words.facts;
  const table = pagedTable([number_, when, words.changes, words.population], items.reverse(), (one) => {
    const line = element('tr');
    const first = element('th', 'number-name', number(one.index));
    first.scope = 'row';
    line.append(
      first,
      cell(when, time((times.get(one.index) ?? 0) * 1000)),
      cell(words.changes, one.verb),
      cell(words.population, populationName(one.name)),
    );
    return line;
  });
  return [section(words.changes, table)];
}

function limits(kind) {
  const box = section(words.limitsHeading, bullets(words.limits[kind]));
  box.classList.add('limits');
  return box;
}

function bullets(lines) {
  const list = element('ul', 'points');
  list.append(...lines.map((line) => element('li', '', line)));
  return list;
}

function pre(value) {
  const box = element('pre');
  box.tabIndex = 0;
  box.append(element('code', '', JSON.stringify(value, null, 2)));
  return box;
}
