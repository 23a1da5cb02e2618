// What a replay asks a gateway, and how it takes the answers: against a server that answers what a test says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLogSource, Unreadable } from '../../gateway/commands/log-source.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer;
let asked: { url: string | undefined; authorization: string | undefined }[] = [];
const server = createServer((request, response) => {
  asked.push({ url: request.url, authorization: request.headers.authorization });
  answer(request, response);
});
let url: string;

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  answer = (_request, response) => response.end('bytes');
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('a log read over HTTP', () => {
  it('is asked for the files below /log/; only requests for entries carry the token', async () => {
    const source = openLogSource(`${url}/`, 'staff_x');
    expect(text(await source('checkpoint'))).toBe('bytes');
    await source('tile/0/x001/000.p/7');
    await source('tile/entries/000');
    expect(asked).toEqual([
      { url: '/log/checkpoint', authorization: undefined },
      { url: '/log/tile/0/x001/000.p/7', authorization: undefined },
      { url: '/log/tile/entries/000', authorization: 'Bearer staff_x' },
    ]);
  });

  it('may lie behind a longer address', async () => {
    await openLogSource(`${url}/gate`)('checkpoint');
    await openLogSource(`${url}/gate/log`)('checkpoint');
    expect(asked.map((one) => one.url)).toEqual(['/gate/log/checkpoint', '/gate/log/checkpoint']);
  });

  it('is given the pause it asks for', async () => {
    const begun = performance.now();
    answer = (_request, response) => {
      if (asked.length > 1) return void response.end('now');
      response.writeHead(429, { 'retry-after': '1' }).end('{}');
    };
    expect(text(await openLogSource(url)('checkpoint'))).toBe('now');
    expect(asked).toHaveLength(2);
    expect(performance.now() - begun).toBeGreaterThan(900);
  });

  it('never takes the token to another address', async () => {
    answer = (_request, response) => response.writeHead(302, { location: `${url}/elsewhere` }).end();
    await expect(openLogSource(url, 'staff_x')('tile/entries/000')).rejects.toThrow(Unreadable);
    expect(asked).toHaveLength(1);
  });

  it.each([
    [401, undefined, 'give --token-file'],
    [401, 'staff_x', "needs an officer's"],
    [403, 'staff_x', "needs an officer's"],
    [404, undefined, 'answered with 404'],
    [500, undefined, 'answered with 500'],
  ])('that answers %i (token %s) is unreadable, and why is said', async (status, token, words) => {
    answer = (_request, response) => response.writeHead(status).end('{}');
    await expect(openLogSource(url, token)('tile/entries/000')).rejects.toThrow(words);
  });

  it('that sends without end, or breaks off, is unreadable', async () => {
    const much = Buffer.alloc(1 << 20);
    answer = (_request, response) => {
      const more = (): void => void (response.destroyed || response.write(much, more));
      more();
    };
    await expect(openLogSource(url)('checkpoint')).rejects.toThrow('too long');
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setTimeout(() => response.destroy(), 20);
    };
    await expect(openLogSource(url)('checkpoint')).rejects.toThrow(Unreadable);
  });

  it('that is not there is unreadable', async () => {
    await expect(openLogSource('http://127.0.0.1:9')('checkpoint')).rejects.toThrow(Unreadable);
  });
});
