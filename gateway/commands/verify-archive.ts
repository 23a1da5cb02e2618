// `assent verify PACK.zip`: an evidence pack, opened in memory; each sealed file in it as if it came alone, then the rest.
import { evidenceName, personName, verifyPack } from '../audit/archive.ts';
import { FormatError } from '../audit/bytes.ts';
import { sayDetail } from '../audit/check-words.ts';
import { parseState } from '../audit/state.ts';
import { isZip, readZip, type ZipFiles } from '../audit/zip.ts';
import { evidenceWords } from '../portal/messages/evidence-words.ts';
import { verifyCommand, type VerifyExit, type VerifyOrder, type VerifyResult } from './verify.ts';
import { verifyWords } from './verify-words.ts';

/** `verifyCommand` for whatever file it is: an archive is opened, anything else goes on as it is. */
export async function verifyAny(order: VerifyOrder): Promise<VerifyResult> {
  const { bundleText } = order;
  if (typeof bundleText === 'string' || !isZip(bundleText)) return verifyCommand(order);
  const language = order.language ?? 'en';
  try {
    return await verifyMembers(order, readZip(bundleText));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const words = verifyWords[language];
    const exitCode = 1;
    return {
      exitCode,
      lines: [
        words.doesNotHold(words.checkNames.format),
        printable(sayDetail(words.details, { name: 'format', ok: false, detail: error.message })),
      ],
      json: { exitCode, verdict: 'does-not-hold', firstFailing: 'format', error: error.message },
    };
  }
}

async function verifyMembers(order: VerifyOrder, files: ZipFiles): Promise<VerifyResult> {
  const { earlierText, ...rest } = order;
  const language = order.language ?? 'en';
  const words = evidenceWords[language].check;
  const { details } = verifyWords[language];
  const more = (detail: string) => (language === 'zh' ? `（${detail}）` : ` (${detail})`);
  const said = (detail: string) => sayDetail(details, { name: 'format', ok: true, detail });
  const pack = verifyPack(files, order.trustText, { earlier: earlierText });
  const sealed: { name: string; result: VerifyResult }[] = [];
  let state = order.state;
  for (const name of [evidenceName, personName]) {
    const bundleText = files.get(name);
    if (bundleText === undefined) continue;
    const result = await verifyCommand({
      ...rest,
      bundleText,
      ...(name === personName && earlierText !== undefined ? { earlierText } : {}),
      ...(state === undefined ? {} : { state }),
    });
    sealed.push({ name, result });
    // The second head is compared with the first too.
    if (result.stateText !== undefined) state = parseState(result.stateText);
  }
  const exitCode = worst([
    ...(pack.verdict === 'holds' ? [] : [1 as const]),
    ...sealed.map(({ result }) => result.exitCode),
  ]);
  const kept = exitCode === 0 || exitCode === 4 ? sealed.at(-1)?.result.stateText : undefined;
  const isGood = exitCode === 0 || exitCode === 4;
  const lines = [
    ...(exitCode === 2 ? [] : [isGood ? words.holds : words.doesNotHold]),
    ...sealed.flatMap(({ name, result }) => ['', `— ${name} —`, ...result.lines]),
    '',
    words.inside,
    ...pack.members.map(({ name, state: found, detail, isWrong }) => {
      const extra = isWrong && detail !== '' ? more(said(detail)) : '';
      return `  ${name}  ${words.states[found]}${extra}`;
    }),
    ...(pack.newerCount === 0 ? [] : ['', words.newer(pack.newerCount)]),
  ];
  return {
    exitCode,
    lines: lines.map(printable),
    json: {
      exitCode,
      verdict: exitCode === 2 ? 'none' : isGood ? 'holds' : 'does-not-hold',
      members: pack.members.map(({ name, state: found, isWrong, detail }) => ({
        name,
        state: found,
        isWrong,
        ...(detail === '' ? {} : { detail }),
      })),
      files: Object.fromEntries(sealed.map(({ name, result }) => [name, result.json])),
      newer: pack.newerCount,
    },
    ...(kept === undefined ? {} : { stateText: kept }),
  };
}

/** A pack is as good as the worst in it. */
function worst(codes: readonly VerifyExit[]): VerifyExit {
  const order = [1, 3, 2, 4, 0] as const;
  return order.find((code) => codes.includes(code)) ?? 1;
}

// Names in an archive are anybody's: no escape sequence of theirs may reach a terminal.
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}]/gu, '?');
