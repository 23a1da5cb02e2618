// Draws a verification: the verdict, what the file says, the evidence level by level, every check, and the files.
import { byId, code, count, element, fact, fill, markOf, time, timeZone, words } from 'assent/draw';
import { subjectParts } from 'assent/subject';

/**
 * @param found result, ending, the files that were checked, whether summaries were given and any was kept
 */
export function showReport({ result, ending, files, kept, atMs }) {
  byId('status').replaceChildren(verdict(result, ending, files, kept, atMs));
  byId('subject').replaceChildren(
    ...(ending === 'contradicts' ? [element('p', 'alert', words.contradictsNote)] : []),
    ...(result.subject === undefined ? [] : subjectParts(result)),
  );
  byId('level-list').replaceChildren(...levelItems(result));
  byId('check-list').replaceChildren(...result.checks.map((item) => checkItem(item, result.firstFailing)));
  byId('file-list').replaceChildren(...files.map(fileFact));
  byId('report').hidden = false;
}

const looks = {
  holds: ['holds', 'tick'],
  'not-anchored': ['waits', 'tick'],
  contradicts: ['contradicts', 'warn'],
  'does-not-hold': ['fails', 'cross'],
};

function verdict(result, ending, files, kept, atMs) {
  const [look, shape] = looks[ending];
  const box = element('div', `verdict ${look}`);
  const text = element('div');
  const [proof] = files;
  const checked = element('p', 'quiet', `${proof.name} · ${words.times} `);
  checked.append(time(atMs), ` · ${fill(words.zone, { zone: timeZone })}`);
  text.append(
    element('h2', '', words[look]),
    ...sentences(result, ending).map((line) => element('p', '', line)),
    ...(kept === undefined ? [] : [element('p', 'kept', words.kept[kept])]),
    checked,
  );
  box.append(markOf(shape), text);
  return box;
}

function sentences(result, ending) {
  const { firstFailing, subject } = result;
  const holds = subject === undefined ? '' : words.holdsTexts[subject.kind];
  switch (ending) {
    case 'holds':
      return [holds];
    case 'not-anchored':
      return [holds, words.waitsText];
    case 'contradicts':
      return [words.contradictsText];
    default:
      return [
        fill(words.failsText, { check: words.checkNames[firstFailing] }),
        fill(words.failsMeaning, { meaning: words.checkMeanings[firstFailing] }),
      ];
  }
}

function levelItems(result) {
  const labels = {
    recorded: words.levelLabels.recorded,
    checkpointed: words.levelLabels.checkpointed,
    witnessed: words.levelLabels.witnessed,
    anchored:
      result.levels.anchored.words === 'anchored-local-chain'
        ? words.levelLabels.anchored_local
        : words.levelNames.anchored,
    anchoredFinal: words.levelLabels.anchored_final,
  };
  const isReceipt = result.subject?.kind === 'receipt';
  return Object.entries(labels).map(([name, label]) => {
    const level = result.levels[name];
    const look = { holds: 'reached', fails: 'failed', absent: 'open', 'not-checked': 'open' }[level.state];
    const item = element('li', look);
    const text = element('div');
    // A receipt has nothing that could be anchored, now or later.
    const meaning = isReceipt && level.words === 'no-anchor' ? 'no-checkpoint' : level.words;
    text.append(
      element('strong', '', label),
      ' ',
      element('span', 'quiet', words.levelStates[level.state]),
      element('p', '', words.levelWords[meaning]),
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

function fileFact({ slot, name, kind, sizeBytes, hash, isChanged }) {
  const about = [
    name,
    words.kinds[kind],
    count(words.bytes, sizeBytes),
    ...(isChanged ? [words.changedCopy] : []),
  ];
  const hashed = element('div', '', `${words.hash} `);
  hashed.append(code(hash));
  return fact(words.slots[slot], element('div', '', about.join(' · ')), hashed);
}
