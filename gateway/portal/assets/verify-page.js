// Checks files of the log against a trust file, in this page alone. All arithmetic is in 'assent/verify', the same code that the
// command line runs; this file only reads files, tells which is which, and has the result drawn. It keeps nothing.
import {
  changeInPack,
  endingOf,
  fileHash,
  keepHead,
  limitOf,
  readKept,
  recognise,
  verifyArchive,
  verifyFile,
} from 'assent/verify';
import { byId, element, fill, words } from 'assent/draw';
import { showPack } from 'assent/pack';
import { showReport } from 'assent/report';

const slots = ['proof', 'trust', 'earlier', 'state'];

/** What was read: name, bytes and kind by slot. */
const chosen = { proof: null, trust: null, earlier: null, state: null };
/** The changed copy of the proof, or null while it is as it was read. */
let forged = null;
let changes = 0;
/** The text of the state file to keep after the last check, or null. */
let toKeep = null;

const input = byId('chosen');
input.addEventListener('change', () => {
  const files = [...input.files];
  // The same file can be chosen again.
  input.value = '';
  void take(files);
});
// The whole page takes files: one dropped beside the field must not replace the page.
for (const [name, isOver] of [
  ['dragover', true],
  ['dragleave', false],
  ['drop', false],
]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    byId('drop').classList.toggle('over', isOver);
    if (name === 'drop') void take([...event.dataTransfer.files]);
  });
}
for (const button of document.querySelectorAll('[data-remove]')) {
  button.addEventListener('click', () => {
    put(button.dataset.remove, null);
    input.focus();
  });
}

byId('files').addEventListener('submit', (event) => {
  event.preventDefault();
  forged = null;
  byId('changed').textContent = '';
  check();
});
byId('change').addEventListener('click', changeOneByte);
byId('restore').addEventListener('click', () => {
  forged = null;
  byId('changed').textContent = '';
  check();
});
byId('keep').addEventListener('click', saveKept);
byId('print').addEventListener('click', () => window.print());
if (location.protocol === 'file:')
  for (const part of document.querySelectorAll('[data-online]')) part.hidden = true;

async function take(files) {
  byId('files').setAttribute('aria-busy', 'true');
  const notes = [];
  const read = [];
  for (const file of files) {
    try {
      const limitBytes = limitOf(new Uint8Array(await file.slice(0, 4).arrayBuffer()));
      if (file.size > limitBytes) {
        notes.push(fill(words.tooLarge, { name: file.name, limit: String(limitBytes / 2 ** 20) }));
        continue;
      }
      const bytes = new Uint8Array(await file.arrayBuffer());
      read.push({ name: file.name, bytes, ...recognise(bytes) });
    } catch (error) {
      notes.push(fill(words.error, { name: file.name, message: error.message }));
    }
  }
  // A file nobody knows may be a proof that was spoilt, but only where there is no better one.
  const known = read.filter(({ kind }) => kind !== 'unknown');
  const unknown = read.filter(({ kind }) => kind === 'unknown');
  for (const file of known) place(file);
  const hasProof = known.some(({ part }) => part === 'proof');
  unknown.forEach((file, at) => {
    if (at === 0 && !hasProof) place(file);
    else notes.push(fill(words.ignored, { name: file.name }));
  });
  byId('left-out').textContent = notes.join(' ');
  byId('files').removeAttribute('aria-busy');
}

function place(file) {
  if (file.part !== 'proof') return put(file.part, file);
  const before = chosen.proof;
  const isSamePerson = file.person !== undefined && file.person.tag === before?.person?.tag;
  // Of two files about one person, the earlier is what the later goes on from.
  if (isSamePerson && file.person.size !== before.person.size) {
    const [older, newer] = file.person.size < before.person.size ? [file, before] : [before, file];
    put('earlier', older);
    return put('proof', newer);
  }
  if (chosen.earlier !== null && chosen.earlier.person?.tag !== file.person?.tag) put('earlier', null);
  return put('proof', file);
}

function put(slot, file) {
  chosen[slot] = file;
  const place_ = byId(`slot-${slot}`);
  place_.classList.toggle('filled', file !== null);
  const line = place_.querySelector('.chosen');
  line.hidden = file === null;
  line.replaceChildren();
  if (file !== null) line.append(element('strong', '', file.name), ` · ${words.kinds[file.kind]}`);
  const button = place_.querySelector('[data-remove]');
  button.hidden = file === null;
  button.setAttribute('aria-label', fill(words.removeWhat, { name: file?.name ?? '' }));
  // A report must not stand beside files it is not about.
  const isReady = chosen.proof !== null && chosen.trust !== null;
  forged = null;
  byId('verify').disabled = !isReady;
  byId('report').hidden = true;
  byId('changed').textContent = '';
  say(isReady ? words.ready : words.waiting);
}

function say(text, className = 'quiet') {
  byId('status').replaceChildren(element('p', className, text));
}

/** Says that it begins, lets the browser show that, and begins. */
function check() {
  say(words.checking);
  byId('verify').disabled = true;
  setTimeout(() => {
    try {
      checkNow();
    } finally {
      byId('verify').disabled = chosen.proof === null || chosen.trust === null;
    }
  }, 40);
}

function checkNow() {
  const { proof, trust, earlier, state } = chosen;
  if (proof === null || trust === null) return;
  const kept = state === null ? undefined : keptOf(state, trust);
  if (kept === null) return;
  const bytes = forged ?? proof.bytes;
  const files = slots.flatMap((slot) => (chosen[slot] === null ? [] : [checked(slot, bytes)]));
  if (proof.kind === 'pack') {
    const found = verifyArchive(bytes, trust.bytes, kept);
    toKeep = found.keep ?? null;
    showPack({ found, files, kept: keptIn(found, kept), atMs: Date.now() });
  } else showOne({ proof: bytes, trust, earlier, kept, files });
  byId('restore').hidden = forged === null;
  byId('keep').hidden = toKeep === null;
  byId('keep-hint').hidden = toKeep === null;
}

/** How the heads of a pack stand to those kept: as the one that says least. */
function keptIn({ ending, sealed }, kept) {
  if (kept === undefined || (ending !== 'holds' && ending !== 'not-anchored')) return undefined;
  if (kept.heads.length === 0) return 'empty';
  const found = sealed.map(({ result }) => result.keptHead);
  return ['cannot-tell', 'extends', 'same'].find((one) => found.includes(one));
}

function showOne({ proof: bytes, trust, earlier, kept, files }) {
  const result = verifyFile(bytes, trust.bytes, { earlier: earlier?.bytes, state: kept });
  const ending = endingOf(result, trust.bytes);
  const isGood = ending === 'holds' || ending === 'not-anchored';
  toKeep = isGood && result.head !== undefined ? keepHead(kept, result.head) : null;
  showReport({
    result,
    ending,
    kept: isGood && kept !== undefined ? (kept.heads.length === 0 ? 'empty' : result.keptHead) : undefined,
    files,
    atMs: Date.now(),
  });
}

/** The heads kept, or null after saying what is wrong with their file. */
function keptOf(state, trust) {
  try {
    return readKept(state.bytes, trust.bytes);
  } catch (error) {
    byId('report').hidden = true;
    say(fill(words.badState, { message: error.message }), 'alert');
    return null;
  }
}

function checked(slot, proofBytes) {
  const file = chosen[slot];
  const isChanged = slot === 'proof' && forged !== null;
  const bytes = isChanged ? proofBytes : file.bytes;
  file.hash ??= fileHash(file.bytes);
  return {
    slot,
    name: file.name,
    kind: file.kind,
    sizeBytes: bytes.length,
    hash: isChanged ? fileHash(bytes) : file.hash,
    isChanged,
  };
}

/** Each press changes another place, so that different checks can be seen to fail. */
function changeOneByte() {
  const { bytes, kind } = chosen.proof;
  const place = {};
  const change = (file) => {
    place.at = placeToChange(file);
    place.from = String.fromCharCode(file[place.at]);
    place.to = place.from === 'A' ? 'B' : 'A';
    const changed = Uint8Array.from(file);
    changed[place.at] = place.to.charCodeAt(0);
    return changed;
  };
  // A byte of the archive itself would only spoil it.
  const inside = kind === 'pack' ? changeInPack(bytes, change, Date.now()) : undefined;
  forged = inside?.archive ?? change(bytes);
  changes += 1;
  check();
  const sentence = inside === undefined ? words.changed : words.changedInside;
  byId('changed').textContent = fill(sentence, { ...place, at: String(place.at), name: inside?.name });
}

/** Long runs are hashes, signatures and payloads; a changed digit inside one keeps the file readable. */
function placeToChange(bytes) {
  const text = new TextDecoder('latin1').decode(bytes);
  const run = /[A-Za-z0-9+/]{40,}/g;
  // Steps of the golden section come to every part of the file soon.
  run.lastIndex = Math.floor(((changes * 0.618) % 1) * text.length);
  const found = run.exec(text) ?? run.exec(text);
  return found === null ? Math.floor(text.length / 2) : found.index + Math.floor(found[0].length / 2);
}

function saveKept() {
  const url = URL.createObjectURL(new Blob([toKeep], { type: 'application/json' }));
  const link = element('a');
  link.href = url;
  link.download = 'assent-state.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
