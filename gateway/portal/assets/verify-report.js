// Draws a verification: the verdict, what the file says, the evidence level by level, every check, and the files.
import { sayDetail } from 'assent/verify';
import { byId, code, count, element, fact, fill, markOf, time, timeZone, words } from 'assent/draw';
import { subjectParts } from 'assent/subject';

/**
 * @param found result, ending, the files that were checked, whether summaries were given and any was kept
 */
export function showReport({ result, ending, files, kept, atMs }) {
  const said = { heading: words[looks[ending][0]], sentences: sentences(result, ending) };
  showAll({
    verdict: verdict(ending, said, { files, kept, atMs }),
    subject: [
      ...(ending === 'contradicts' ? [element('p', 'alert', words.contradictsNote)] : []),
      ...(result.subject === undefined ? [] : subjectParts(result)),
    ],
    levels: levelItems(result),
    checks: checkItems(result),
    files,
  });
}

/** Puts the parts in their places; without levels or checks their sections are not there. */
export function showAll({ verdict: box, subject, levels, checks, files }) {
  byId('status').replaceChildren(box);
  byId('subject').replaceChildren(...subject);
  for (const [name, items] of [
    ['level', levels],
    ['check', checks],
  ]) {
    const list = byId(`${name}-list`);
    list.replaceChildren(...items);
    list.parentElement.hidden = items.length === 0;
  }
  byId('file-list').replaceChildren(...files.map(fileFact));
  byId('report').hidden = false;
}

/** How an ending looks: the class of its box, by which its words are called too, and its mark. */
export const looks = {
  holds: ['holds', 'tick'],
  'not-anchored': ['waits', 'tick'],
  contradicts: ['contradicts', 'warn'],
  'does-not-hold': ['fails', 'cross'],
};

export function verdict(ending, { heading, sentences: lines }, { files, kept, atMs }) {
  const [look, shape] = looks[ending];
  const box = element('div', `verdict ${look}`);
  const text = element('div');
  const [proof] = files;
  const checked = element('p', 'quiet', `${proof.name} · ${words.times} `);
  checked.append(time(atMs), ` · ${fill(words.zone, { zone: timeZone })}`);
  text.append(
    element('h2', '', heading),
    ...lines.map((line) => element('p', '', line)),
    ...(kept === undefined ? [] : [element('p', 'kept', words.kept[kept])]),
    checked,
  );
  box.append(markOf(shape), text);
  return box;
}

export function sentences(result, ending) {
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

export function levelItems(result) {
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

export const checkItems = ({ checks, firstFailing }) => checks.map((item) => checkItem(item, firstFailing));

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
    text.append(element('p', 'detail', sayDetail(words.checkWords, item)));
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
