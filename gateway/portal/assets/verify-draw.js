// Pieces the verification page is drawn of: elements, sentences, times, lists in pages.

/** Without inherited names: a file may call a kind "constructor". */
export const words = JSON.parse(document.getElementById('words').textContent, (_name, value) =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.assign(Object.create(null), value)
    : value,
);
export const byId = (id) => document.getElementById(id);

export function element(tag, className = '', text = '') {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

export function markOf(shape) {
  return byId(`mark-${shape}`).content.firstElementChild.cloneNode(true);
}

/** A sentence with its {places} filled. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** The form of a sentence that this number asks for. */
export function count(forms, n, values = {}) {
  return fill(n === 1 ? forms.one : forms.other, { n: number(n), ...values });
}

const numbers = new Intl.NumberFormat(words.locale);
export const number = (n) => numbers.format(n);

const minutes = new Intl.DateTimeFormat(words.locale, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
export const timeZone = minutes.resolvedOptions().timeZone;

/** A leaf may name a time that no calendar reaches; then it is shown as it was written. */
export function time(ms, asWritten = String(ms)) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return element('span', '', asWritten);
  const node = element('time', '', minutes.format(date));
  node.dateTime = date.toISOString();
  return node;
}

/** Names and values; a value is text or a node, and a pair without one is left out. */
export function facts(pairs) {
  const list = element('dl', 'facts');
  for (const [name, value] of pairs) if (value !== undefined && value !== '') list.append(fact(name, value));
  return list;
}

export function fact(name, ...values) {
  const row = element('div');
  const said = element('dd');
  said.append(...values);
  row.append(element('dt', '', name), said);
  return row;
}

/** `code` that breaks where the column ends. */
export const code = (text) => element('code', 'whole', text);

/** The same headings one level below, for what stands under a heading of its own; that is the landmark. */
export function lowered(part) {
  part.removeAttribute('aria-labelledby');
  for (const heading of part.querySelectorAll('h2')) {
    const lower = element('h3', '', heading.textContent);
    lower.id = heading.id;
    heading.replaceWith(lower);
  }
  return part;
}

let sections = 0;

export function section(title, ...content) {
  const node = element('section');
  const heading = element('h2', '', title);
  sections += 1;
  heading.id = `part-${sections}`;
  node.setAttribute('aria-labelledby', heading.id);
  node.append(heading, ...content);
  return node;
}

const onScreen = 50;
const onPaper = 2000;

/**
 * A table that shows some rows at a time, however many there are; on paper the newest of them in one piece.
 * @param rowOf returns the `tr` of one item
 */
export function pagedTable(columns, items, rowOf) {
  const box = element('div', 'paged');
  const table = element('table', 'cards');
  const head = element('thead');
  const titles = element('tr');
  titles.append(
    ...columns.map((name) => {
      const cell = element('th', '', name);
      cell.scope = 'col';
      return cell;
    }),
  );
  head.append(titles);
  const body = element('tbody');
  table.append(head, body);
  const cut = element('p', 'paper-only quiet');
  box.append(table, cut);

  let from = 0;
  const show = (howMany = onScreen) =>
    body.replaceChildren(...items.slice(from, from + howMany).map((item) => rowOf(item)));
  show();
  if (items.length > onScreen)
    box.append(
      pagerOf(
        items.length,
        () => from,
        (to) => ((from = to), show()),
      ),
    );
  box.beforePrint = () => {
    const before = from;
    from = 0;
    show(onPaper);
    cut.textContent =
      items.length > onPaper ? fill(words.printedOnly, { n: number(onPaper), of: number(items.length) }) : '';
    from = before;
  };
  box.afterPrint = () => show();
  return box;
}

function pagerOf(length, current, move) {
  const nav = element('nav', 'pager');
  nav.setAttribute('aria-label', words.pages);
  const newer = element('button', 'plain', words.newer);
  const older = element('button', 'plain', words.older);
  const place = element('span', 'quiet');
  place.setAttribute('aria-live', 'polite');
  const say = () => {
    const from = current();
    newer.disabled = from === 0;
    older.disabled = from + onScreen >= length;
    place.textContent = fill(words.range, {
      from: number(from + 1),
      to: number(Math.min(from + onScreen, length)),
      of: number(length),
    });
  };
  const turn = (step) => {
    move(Math.min(Math.max(current() + step, 0), length - 1));
    say();
  };
  newer.addEventListener('click', () => turn(-onScreen));
  older.addEventListener('click', () => turn(onScreen));
  for (const button of [newer, older]) button.type = 'button';
  nav.append(newer, place, older);
  say();
  return nav;
}

let unfolded = [];

addEventListener('beforeprint', () => {
  for (const box of document.querySelectorAll('.paged')) box.beforePrint();
  unfolded = [...document.querySelectorAll('#report details:not([open], td details)')];
  for (const box of unfolded) box.open = true;
});
addEventListener('afterprint', () => {
  for (const box of document.querySelectorAll('.paged')) box.afterPrint();
  for (const box of unfolded) box.open = false;
});

/** `td` with the name of its column, which narrow windows show beside it. */
export function cell(label, ...content) {
  const node = element('td');
  node.dataset.label = label;
  const said = element('div');
  said.append(...content);
  node.append(said);
  return node;
}
