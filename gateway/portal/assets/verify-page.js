// Checks a proof bundle against a trust file, in this page alone. All arithmetic is in 'assent/verify', the same code that the
// command line runs; this file only reads files and shows what it said.
import { verifyBundle } from 'assent/verify';

const words = JSON.parse(document.getElementById('words').textContent);
const byId = (id) => document.getElementById(id);

/** What was read: file name and bytes, or null. */
const chosen = { bundle: null, trust: null };
/** The changed copy of the bundle, or null while it is as it was read. */
let forged = null;
let changes = 0;

for (const id of ['bundle', 'trust']) {
  const input = byId(id);
  const place = input.closest('.drop');
  input.addEventListener('change', () => take(id, input.files[0]));
  place.addEventListener('dragover', (event) => {
    event.preventDefault();
    place.classList.add('over');
  });
  place.addEventListener('dragleave', () => place.classList.remove('over'));
  place.addEventListener('drop', (event) => {
    event.preventDefault();
    place.classList.remove('over');
    input.files = event.dataTransfer.files;
    take(id, input.files[0]);
  });
}

byId('files').addEventListener('submit', (event) => {
  event.preventDefault();
  forged = null;
  check();
});
byId('change').addEventListener('click', changeOneByte);
byId('restore').addEventListener('click', () => {
  forged = null;
  byId('changed').textContent = '';
  check();
});
byId('print').addEventListener('click', () => window.print());
if (location.protocol === 'file:')
  for (const part of document.querySelectorAll('[data-online]')) part.hidden = true;

function take(id, file) {
  if (file === undefined) return;
  file.arrayBuffer().then(
    (content) => {
      chosen[id] = { name: file.name, bytes: new Uint8Array(content) };
      byId('verify').disabled = chosen.bundle === null || chosen.trust === null;
    },
    (error) => {
      byId('status').replaceChildren(element('p', 'alert', fill(words.error, { message: error.message })));
    },
  );
}

function check() {
  const bundle = forged ?? chosen.bundle.bytes;
  const result = verifyBundle(bundle, chosen.trust.bytes);
  showVerdict(result);
  byId('level-list').replaceChildren(...levelItems(result));
  byId('check-list').replaceChildren(...result.checks.map((item) => checkItem(item, result.firstFailing)));
  const holds = result.verdict === 'holds';
  byId('contents').hidden = !holds;
  byId('payload').textContent = result.erased
    ? words.erased
    : JSON.stringify(result.payload ?? null, null, 2);
  byId('restore').hidden = forged === null;
  byId('report').hidden = false;
}

function showVerdict(result) {
  const holds = result.verdict === 'holds';
  const box = element('div', holds ? 'verdict holds' : 'verdict fails');
  const text = element('div');
  text.append(
    element('h2', '', holds ? words.holds : words.fails),
    element(
      'p',
      '',
      holds ? words.holdsText : fill(words.failsText, { check: words.checkNames[result.firstFailing] }),
    ),
    element(
      'p',
      'quiet',
      `${chosen.bundle.name} · ${words.times} ${new Date().toLocaleString(words.locale)}`,
    ),
  );
  box.append(markOf(holds ? 'tick' : 'cross'), text);
  byId('status').replaceChildren(box);
}

function levelItems(result) {
  const labels = {
    recorded: words.levelLabels.recorded,
    checkpointed: words.levelLabels.checkpointed,
    witnessed: words.levelLabels.witnessed,
    anchored:
      result.levels.anchored.words === 'anchored'
        ? words.levelNames.anchored
        : words.levelLabels.anchored_local,
    anchoredFinal: words.levelLabels.anchored_final,
  };
  return Object.entries(labels).map(([name, label]) => {
    const level = result.levels[name];
    const look = { holds: 'reached', fails: 'failed', absent: 'open', 'not-checked': 'open' }[level.state];
    const item = element('li', look);
    const text = element('div');
    text.append(
      element('strong', '', label),
      ' ',
      element('span', 'quiet', words.levelStates[level.state]),
      element('p', '', words.levelWords[level.words]),
    );
    item.append(markOf({ reached: 'tick', failed: 'cross', open: 'dot' }[look]), text);
    return item;
  });
}

function checkItem(item, firstFailing) {
  const line = element('li', item.ok ? 'passed' : 'failed');
  const text = element('div');
  text.append(
    element('strong', '', words.checkNames[item.name] ?? item.name),
    ' ',
    element('span', 'state', item.ok ? words.passed : words.failed),
    element('p', 'quiet', words.checkMeanings[item.name] ?? ''),
  );
  if (!item.ok) {
    const detail = element('p', 'detail', item.detail);
    detail.lang = 'en';
    text.append(detail);
  }
  if (item.name === firstFailing) line.classList.add('first');
  line.append(markOf(item.ok ? 'tick' : 'cross'), text);
  return line;
}

/** Each press changes another field, so that different checks can be seen to fail. */
function changeOneByte() {
  const text = new TextDecoder('latin1').decode(chosen.bundle.bytes);
  // Long runs are hashes, signatures and payloads. A changed digit inside one keeps the file readable.
  const runs = [...text.matchAll(/[A-Za-z0-9+/]{40,}/g)];
  const run = runs[changes % Math.max(runs.length, 1)];
  const at = run ? run.index + Math.floor(run[0].length / 2) : Math.floor(text.length / 2);
  const from = text[at];
  const to = from === 'A' ? 'B' : 'A';
  changes += 1;
  forged = Uint8Array.from(chosen.bundle.bytes);
  forged[at] = to.charCodeAt(0);
  check();
  byId('changed').textContent = fill(words.changed, { at: String(at), from, to });
}

function element(tag, className = '', text = '') {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function markOf(shape) {
  return byId(`mark-${shape}`).content.firstElementChild.cloneNode(true);
}

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}
