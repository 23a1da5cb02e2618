// Draws an evidence pack: one verdict for all of it, what each file in it is worth, and the sealed files one by one.
import { sayDetail } from 'assent/verify';
import { cell, count, element, fill, lowered, markOf, pagedTable, section, words } from 'assent/draw';
import { checkItems, levelItems, looks, sentences, showAll, verdict } from 'assent/report';
import { subjectParts } from 'assent/subject';

/**
 * @param found what the verifier says of the archive, the files that were checked, whether summaries were given and any
 *   was kept
 */
export function showPack({ found, files, kept, atMs }) {
  const { ending, pack, sealed, broken } = found;
  const heading = words.pack[looks[ending][0]];
  if (broken !== undefined) {
    const checks = [{ name: 'format', ok: false, detail: broken }];
    const lines = sentences({ firstFailing: 'format' }, ending);
    return showAll({
      verdict: verdict(ending, { heading, sentences: lines }, { files, kept, atMs }),
      subject: [],
      levels: [],
      checks: checkItems({ checks, firstFailing: 'format' }),
      files,
    });
  }
  showAll({
    verdict: verdict(ending, { heading, sentences: packSentences(found) }, { files, kept, atMs }),
    subject: [inside(pack, sealed), ...sealed.map((one) => sealedFile(one, pack))],
    levels: [],
    checks: [],
    files,
  });
}

function packSentences({ ending, pack, sealed }) {
  if (ending === 'contradicts') return [words.contradictsText];
  if (ending === 'holds') return [words.pack.holdsText];
  if (ending === 'not-anchored') return [words.pack.holdsText, words.waitsText];
  const wrong = pack.members.find(({ isWrong }) => isWrong);
  const failing = sealed.find(({ name }) => name === wrong.name)?.result.firstFailing;
  return [
    fill(words.pack.failsText, { name: wrong.name, what: words.pack.states[wrong.state] }),
    ...(failing === undefined
      ? []
      : [
          fill(words.pack.firstFailing, { check: words.checkNames[failing] }),
          fill(words.failsMeaning, { meaning: words.checkMeanings[failing] }),
        ]),
  ];
}

/** Of a sealed file the check that failed first; of another what the verifier says of it. */
function moreOf({ name, detail, isWrong, state }, sealed) {
  const { firstFailing } = sealed.find((one) => one.name === name)?.result ?? {};
  if (firstFailing !== undefined)
    return fill(words.pack.firstFailing, { check: words.checkNames[firstFailing] });
  if ((!isWrong && state !== 'not-proven') || detail === '') return '';
  return sayDetail(words.checkWords, { name: 'format', ok: true, detail });
}

function inside(pack, sealed) {
  const { columns, newer, reading } = words.pack;
  const isReading = pack.members.some(({ name, state }) => state === 'not-proven' && !name.includes('/'));
  // What is wrong is what one looks for.
  const members = [...pack.members].sort((a, b) => Number(b.isWrong) - Number(a.isWrong));
  const table = pagedTable([columns.name, columns.state], members, (member) => {
    const line = element('tr', member.isWrong ? 'failed' : '');
    const name = element('th', 'file-name', member.name);
    name.scope = 'row';
    const said = element('span', 'state', words.pack.states[member.state]);
    const more = element('p', 'hint', moreOf(member, sealed));
    line.append(name, cell(columns.state, marked(member), said, ...(more.textContent === '' ? [] : [more])));
    return line;
  });
  return section(
    words.pack.inside,
    ...(isReading ? [element('p', '', reading)] : []),
    table,
    ...(pack.newerCount === 0 ? [] : [element('p', 'quiet', count(newer, pack.newerCount))]),
  );
}

const marked = ({ isWrong, state }) => markOf(isWrong ? 'cross' : state === 'proven' ? 'tick' : 'dot');

function sealedFile({ name, result, ending }, pack) {
  const part = section(`${name} · ${words.kinds[kinds[name]]}`);
  part.classList.add('of-file');
  const isWrong = pack.members.some((member) => member.name === name && member.isWrong);
  const isShown = !isWrong && result.subject !== undefined;
  part.append(
    ...(result.firstFailing === undefined
      ? []
      : [element('p', 'alert', ending === 'contradicts' ? words.contradictsNote : words.pack.fileFails)]),
    // A pack is read by others than the person it is about.
    ...(isShown ? subjectParts(result, false).map(lowered) : []),
    lowered(section(words.levels, listOf('evidence-steps', levelItems(result)))),
    folded(words.checks, listOf('checks', checkItems(result)), result.firstFailing !== undefined),
  );
  return part;
}

const kinds = { 'evidence.json': 'evidence', 'person.json': 'person' };

function listOf(className, items) {
  const list = element('ol', className);
  list.append(...items);
  return list;
}

function folded(title, list, isOpen) {
  const box = element('details');
  box.open = isOpen;
  box.append(element('summary', '', title), list);
  return box;
}
