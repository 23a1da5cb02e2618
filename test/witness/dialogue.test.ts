// The answers of c2sp.org/tlog-witness v1.0.0, over HTTP, as FiloSottile/torchwood asks for them in litewitness's tests.
import { createHash } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../gateway/audit/bytes.ts';
import { parseCosignatureKey, verifyCosignatures } from '../../gateway/audit/cosignature.ts';
import { formatVerifierKey, parseNote } from '../../gateway/audit/note.ts';
import { createSigner } from '../../gateway/audit/publish.ts';
import { bareWitness, history, logSigner, newFolder, origin, start, startMs } from './rig.ts';

// Keys, heads and proofs of torchwood's internal/witness/witness_test.go and cmd/litewitness/testdata.
const sigsum = 'sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562';
const sigsumKey = formatVerifierKey(
  sigsum,
  fromHex('ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f', 'test'),
);
const one = `${sigsum}
1
KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

— ${sigsum} UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=
`;
const three = `${sigsum}
3
RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=

— ${sigsum} UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=
`;
const five = `${sigsum}
5
QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=

— ${sigsum} UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=
`;
const leaf = (byte: string): string => Buffer.from(`2a${byte}${'00'.repeat(30)}`, 'hex').toString('base64');
const hex = (text: string): string => Buffer.from(text, 'hex').toString('base64');
const oneToThree = `${leaf('01')}\n${leaf('02')}\n`;
const oneToFive = `${leaf('01')}\n+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=\n${leaf('04')}\n`;
const threeToFive = `${leaf('02')}\n${leaf('03')}\n${hex('c2088815d65f60dbfa594d4e96504ab169cb6084bf0c132ab7c521fd2e0eba41')}\n${leaf('04')}\n`;

describe("litewitness's dialogue", () => {
  it('gets the same answers here', async () => {
    const witness = await start({ home: newFolder(), logs: [sigsumKey] });
    const key = parseCosignatureKey(witness.verifierKey);
    const cosigned = async (body: string, note: string) => {
      const answer = await witness.post(body);
      expect(answer).toMatchObject({ status: 200, type: 'text/plain; charset=utf-8' });
      expect(answer.body).toMatch(/^— witness\.example\/w1 [A-Za-z0-9+/]+=*\n$/);
      expect(verifyCosignatures(parseNote(note + answer.body), [key])).toEqual([
        { key, seconds: startMs / 1000 },
      ]);
    };
    await cosigned(`old 0\n\n${one}`, one);
    // A signature of the log that is wrong in its last byte.
    expect(await witness.post(`old 1\n${oneToThree}\n${three.replace('x6go=', 'x6gs=')}`)).toMatchObject({
      status: 403,
    });
    // An origin nobody told it of.
    expect(await witness.post(`old 1\n${oneToThree}\n${three.replaceAll('e562', 'e561')}`)).toMatchObject({
      status: 404,
    });
    // No proof; a wrong proof.
    expect(await witness.post(`old 1\n\n${three}`)).toMatchObject({ status: 422 });
    const wrong = `${leaf('01')}\n${hex(`2a02${'00'.repeat(29)}01`)}\n`;
    expect(await witness.post(`old 1\n${wrong}\n${three}`)).toMatchObject({ status: 422 });
    await cosigned(`old 1\n${oneToThree}\n${three}`, three);
    // From a size it has gone beyond.
    expect(await witness.post(`old 1\n${oneToFive}\n${five}`)).toEqual({
      status: 409,
      type: 'text/x.tlog.size',
      body: '3\n',
    });
    await cosigned(`old 3\n${threeToFive}\n${five}`, five);
    // The same again is the same head, and may be cosigned again.
    await cosigned(`old 5\n\n${five}`, five);
  });

  it('of two requests at once lets only one extend a head', async () => {
    const witness = await start({ home: newFolder(), logs: [sigsumKey] });
    await witness.post(`old 0\n\n${one}`);
    const answers = await Promise.all([
      witness.post(`old 1\n${oneToThree}\n${three}`),
      witness.post(`old 1\n${oneToFive}\n${five}`),
    ]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    const size = answers[0].status === 200 ? '3\n' : '5\n';
    expect(answers.find(({ status }) => status === 409)?.body).toBe(size);
  });
});

describe('a request', () => {
  const log = history('a', 'b', 'c');

  it.each([
    ['nothing', ''],
    ['no old line', 'CHECKPOINT'],
    ['an old size with a leading zero', 'old 00\n\nCHECKPOINT'],
    ['an old size below 0', 'old -1\n\nCHECKPOINT'],
    ['an old size of 2^53', 'old 9007199254740992\n\nCHECKPOINT'],
    ['two spaces in the old line', 'old  0\n\nCHECKPOINT'],
    ['carriage returns', 'old 0\r\n\r\nCHECKPOINT'],
    ['no empty line', 'old 0\nCHECKPOINT'],
    ['a proof line of 31 bytes', `old 0\n${Buffer.alloc(31).toString('base64')}\n\nCHECKPOINT`],
    ['a proof line with loose bits', `old 0\n${'A'.repeat(42)}B=\n\nCHECKPOINT`],
    ['64 proof lines', `old 0\n${`${leaf('01')}\n`.repeat(64)}\nCHECKPOINT`],
    [
      'a checkpoint without signature',
      'old 0\n\nlog.example/1\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n',
    ],
    ['bytes that are no text', '\u0000'],
  ])('with %s is malformed: 400, and nothing is remembered', async (_, body) => {
    const witness = await start({ home: newFolder() });
    expect((await witness.post(body.replace('CHECKPOINT', await log.note(1)))).status).toBe(400);
    expect((await witness.post(await log.step(0, 1))).status).toBe(200);
  });

  it('whose old size is above its checkpoint is refused: 400', async () => {
    const witness = await start({ home: newFolder() });
    await witness.post(await log.step(0, 3));
    expect((await witness.post(`old 3\n\n${await log.note(2)}`)).status).toBe(400);
  });

  it('signed by another key, or under the name of another, is refused: 403', async () => {
    const witness = await start({ home: newFolder() });
    const stranger = createSigner(origin, new Uint8Array(32).fill(99));
    expect((await witness.post(`old 0\n\n${await log.note(1, stranger)}`)).status).toBe(403);
    const elsewhere = createSigner('other.example/log', new Uint8Array(32).fill(21));
    expect((await witness.post(`old 0\n\n${await log.note(1, elsewhere)}`)).status).toBe(404);
  });

  it('may carry signatures of strangers; they are not kept', async () => {
    const witness = await start({ home: newFolder() });
    const body = await log.step(0, 2);
    const foreign = (await log.note(2, createSigner('log.example/1', new Uint8Array(32).fill(77)))).split(
      '\n\n',
    )[1];
    expect((await witness.post(body + foreign)).status).toBe(200);
    const kept = await (await fetch(`${witness.url}/${pathOf(origin)}/checkpoint`)).text();
    expect(parseNote(kept).signatures.map(({ name }) => name)).toEqual([origin, 'witness.example/w1']);
  });

  // torchwood, TestZeroSize.
  it.each([
    ['the empty tree', 0, 0, 'empty', 0, 200],
    ['another root for size 0', 0, 0, 'leaf', 0, 422],
    ['the empty tree with a proof', 0, 0, 'empty', 1, 422],
    ['a first head', 0, 1, 'leaf', 0, 200],
    ['a first head with a proof', 0, 1, 'leaf', 1, 422],
  ])('about %s is answered as litewitness does', async (_, oldSize, size, root, proofLines, status) => {
    const witness = await start({ home: newFolder() });
    const empty = createHash('sha256').digest('base64');
    const text = `${origin}\n${size}\n${root === 'empty' ? empty : leaf('09')}\n`;
    const signature = Buffer.concat([
      fromHex(logSigner.verifierKey.split('+')[1] ?? '', 'test'),
      logSigner.sign(Buffer.from(text)),
    ]).toString('base64');
    const proof = `${leaf('01')}\n`.repeat(proofLines);
    const answer = await witness.post(`old ${oldSize}\n${proof}\n${text}\n— ${origin} ${signature}\n`);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.body).not.toContain('— ');
  });

  it('over 64 KiB is refused before it is read, and so is another method', async () => {
    const witness = await start({ home: newFolder() });
    expect((await witness.post('x'.repeat(64 * 1024 + 1))).status).toBe(413);
    expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(404);
    expect((await fetch(`${witness.url}/add-checkpoint`, { method: 'POST' })).status).toBe(400);
  });

  it('beyond the rate is refused: 429', async () => {
    const witness = await start({ home: newFolder(), requestsPerMinute: 2 });
    const body = await log.step(0, 1);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await witness.post(body)).status);
    expect(statuses).toEqual([200, 409, 429]);
  });
});

describe('who looks at a witness', () => {
  it('sees its newest head with the signature of the log and its own; 404 before there is one', async () => {
    const log = history('a', 'b');
    const witness = await start({ home: newFolder() });
    const url = `${witness.url}/${pathOf(origin)}/checkpoint`;
    expect((await fetch(url)).status).toBe(404);
    await witness.post(await log.step(0, 2));
    witness.clock.advance(60_000);
    const note = parseNote(await (await fetch(url)).text());
    expect(note.text).toBe(parseNote(await log.note(2)).text);
    expect(verifyCosignatures(note, [parseCosignatureKey(witness.verifierKey)])).toMatchObject([
      { seconds: startMs / 1000 + 60 },
    ]);
    expect((await fetch(`${witness.url}/${pathOf('other')}/checkpoint`)).status).toBe(404);
    expect((await fetch(`${witness.url}/x/conflicts`)).status).toBe(404);
  });
});

describe('a split view', () => {
  const log = history('a', 'b', 'c', 'd');
  const split = history('a', 'X', 'c', 'd');

  it('is refused, and both notes are shown to everybody', async () => {
    const witness = await start({ home: newFolder() });
    await witness.post(await log.step(0, 3));
    // From nothing, which tells the size; then for that size, which is refused.
    expect(await witness.post(await split.step(0, 3))).toMatchObject({ status: 409, body: '3\n' });
    expect(await witness.post(`old 3\n\n${await split.note(3)}`)).toMatchObject({
      status: 409,
      type: 'text/plain; charset=utf-8',
    });
    const answer = await fetch(`${witness.url}/${pathOf(origin)}/conflicts`);
    const shown = (await answer.json()) as { conflicts: object[] };
    expect(shown.conflicts).toEqual([
      {
        kind: 'split',
        seenAt: '2026-03-01T12:00:00.000Z',
        size: 3,
        cosigned: await log.note(3),
        refused: await split.note(3),
      },
    ]);
    expect(witness.warnings).toHaveLength(1);
    expect(witness.warnings[0]).toContain('SPLIT VIEW');
    expect(witness.warnings[0]).toContain(await split.note(3));
    // The honest history goes on.
    expect((await witness.post(await log.step(3, 4))).status).toBe(200);
  });

  it('of a larger size cannot be proven, so it is refused, kept as unproven, and struck out once it is proven', async () => {
    const witness = await start({ home: newFolder() });
    const conflicts = async (): Promise<unknown[]> =>
      ((await (await fetch(`${witness.url}/${pathOf(origin)}/conflicts`)).json()) as { conflicts: [] })
        .conflicts;
    await witness.post(await log.step(0, 3));
    const forged = await split.step(3, 4);
    expect((await witness.post(forged)).status).toBe(422);
    expect((await witness.post(forged)).status).toBe(422);
    expect(await conflicts()).toMatchObject([{ kind: 'unproven', size: 4, refused: await split.note(4) }]);
    // Somebody else's mistake with an honest head.
    expect((await witness.post(`old 3\n\n${await log.note(4)}`)).status).toBe(422);
    expect(await conflicts()).toHaveLength(2);
    expect((await witness.post(await log.step(3, 4))).status).toBe(200);
    expect(await conflicts()).toMatchObject([{ refused: await split.note(4) }]);
    expect(witness.warnings).toHaveLength(2);
  });
});

describe('what a witness remembers', () => {
  const log = history('a', 'b', 'c', 'd', 'e');
  const split = history('a', 'b', 'c', 'X', 'e');

  it('outlives a restart, with its key and its name', async () => {
    const home = newFolder();
    const first = await start({ home });
    await first.post(await log.step(0, 3));
    await first.close();
    const second = await start({ home, name: undefined });
    expect(second.verifierKey).toBe(first.verifierKey);
    expect(await second.post(await log.step(0, 5))).toMatchObject({ status: 409, body: '3\n' });
    expect((await second.post(await log.step(3, 5))).status).toBe(200);
    for (const file of ['witness.key', 'witness.sqlite'])
      expect(statSync(join(home, file)).mode & 0o077).toBe(0);
  });

  it('is there when the process died after writing it and before answering', async () => {
    const path = join(newFolder(), 'memory.sqlite');
    const signer = createSigner('witness.example/w1', new Uint8Array(32).fill(31));
    const dying = bareWitness(path, {
      signer: {
        ...signer,
        sign: () => {
          throw new Error('died');
        },
      },
    });
    await expect(dying.witness.addCheckpoint(Buffer.from(await log.step(0, 4)))).rejects.toThrow('died');
    dying.memory.close();
    const { witness, conflicts } = bareWitness(path);
    // The other history comes too late, though nobody ever got a cosignature for the first.
    const other = await witness.addCheckpoint(Buffer.from(await split.step(0, 4)));
    expect(other).toMatchObject({ status: 409, body: '4\n' });
    expect(conflicts).toMatchObject([{ kind: 'split', size: 4 }]);
    expect((await witness.addCheckpoint(Buffer.from(`old 4\n\n${await log.note(4)}`))).status).toBe(200);
  });

  it('is unchanged, and nothing is cosigned, when the process died before writing it', async () => {
    const path = join(newFolder(), 'memory.sqlite');
    const { memory } = bareWitness(path);
    const dying = bareWitness(path, {
      memory: {
        ...memory,
        atomically: (work) =>
          memory.atomically(() => {
            work();
            throw new Error('died');
          }),
      },
    });
    await expect(dying.witness.addCheckpoint(Buffer.from(await log.step(0, 4)))).rejects.toThrow('died');
    expect(memory.newest(origin)).toBeUndefined();
    const { witness } = bareWitness(path);
    expect((await witness.addCheckpoint(Buffer.from(await split.step(0, 4)))).status).toBe(200);
  });

  it('is taken back by nobody: not smaller, not another root, not an earlier time, not gone', () => {
    const { memory } = bareWitness(join(newFolder(), 'memory.sqlite'));
    const head = { size: 3, root: Buffer.alloc(32, 1), note: 'n', seconds: 10 };
    const remember = (change: object) => () =>
      memory.atomically(() => memory.remember(origin, { ...head, ...change }));
    remember({})();
    expect(remember({ size: 2 })).toThrow('takes nothing back');
    expect(remember({ root: Buffer.alloc(32, 2) })).toThrow('takes nothing back');
    expect(remember({ seconds: 9 })).toThrow('takes nothing back');
    expect(memory.newest(origin)).toEqual(head);
  });
});

describe('a witness does not start', () => {
  it.each([
    ['without a name on its first start', { name: undefined }, /--name/],
    ['with a name that cannot be in a note', { name: 'a b' }, /no space/],
    ['without a log', { logs: [] }, /at least one log/],
    ['with a key that is none', { logs: ['garbage'] }, /cannot be read/],
  ])('%s', async (_, order, message) => {
    await expect(start({ home: newFolder(), ...order })).rejects.toThrow(message);
  });

  it("under another name, in a gateway's folder, or with a key others can read", async () => {
    const home = newFolder();
    await (await start({ home })).close();
    await expect(start({ home, name: 'other.example/w' })).rejects.toThrow(/cannot be renamed/);
    const gateway = newFolder();
    writeFileSync(join(gateway, 'assent.sqlite'), '');
    await expect(start({ home: gateway })).rejects.toThrow(/gateway's folder/);
    const loose = newFolder();
    writeFileSync(join(loose, 'witness.key'), '00'.repeat(32), { mode: 0o644 });
    await expect(start({ home: loose })).rejects.toThrow(/readable by others/);
  });

  it('but reads the keys of logs from a file, with or without a quorum line', async () => {
    const home = newFolder();
    const file = join(home, 'logs');
    for (const end of ['', 'quorum none\n']) {
      writeFileSync(file, `# logs\nlog ${logSigner.verifierKey} https://log.example/\n${end}`);
      const witness = await start({ home: newFolder(), logs: [], logsFile: file });
      expect(witness.origins).toEqual([origin]);
    }
  });
});

const pathOf = (name: string): string => createHash('sha256').update(name).digest('hex');
