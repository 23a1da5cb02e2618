// Several gateways on one database, each a process with its own folder, the same keys and a clock that is a little off.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { createServer, request as ask, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { newFolder } from '../support/core.ts';
import { newDatabase } from '../support/postgres.ts';
import type { OrderName, Orders } from './gateway-child.ts';

export interface Member {
  /** Of this gateway alone. */
  readonly url: string;
  order<Name extends OrderName>(
    name: Name,
    ...given: Parameters<Orders[Name]>
  ): Promise<Awaited<ReturnType<Orders[Name]>>>;
}

export interface Fleet {
  readonly members: readonly Member[];
  readonly databaseUrl: string;
  /** A proxy that gives each request to the next gateway: what all of them say their address is. */
  readonly url: string;
  close(): Promise<void>;
}

/** What a gateway answered an order with, where that was no value. */
export class OrderError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

const clocksAheadMs = [0, 1500, -1500];

export async function openFleet(size: number, { requestsPerMinute = 0 } = {}): Promise<Fleet> {
  const databaseUrl = await newDatabase();
  const folder = newFolder();
  const children: ChildProcess[] = [];
  const members: Member[] = [];
  const proxy = openProxy(() => members);
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  const homeOf = (at: number): string => join(folder, `gateway-${at}`);
  async function enter(at: number): Promise<Member> {
    const home = homeOf(at);
    mkdirSync(home);
    // The first one makes the keys; the operator brings them to the others.
    if (at > 0) cpSync(join(homeOf(0), 'keys'), join(home, 'keys'), { recursive: true });
    const child = fork(
      new URL('./gateway-child.ts', import.meta.url),
      [home, databaseUrl, url, String(clocksAheadMs[at % 3]), String(requestsPerMinute)],
      {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    children.push(child);
    return memberOf(child);
  }
  members.push(await enter(0));
  members.push(...(await Promise.all(Array.from({ length: size - 1 }, (_, at) => enter(at + 1)))));
  return {
    members,
    databaseUrl,
    url,
    async close() {
      proxy.closeAllConnections();
      proxy.close();
      await Promise.all(
        children.map(async (child) => {
          if (child.exitCode !== null) return;
          const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
          child.disconnect();
          await once(child, 'exit');
          clearTimeout(late);
        }),
      );
    },
  };
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly message?: string;
}

async function memberOf(child: ChildProcess): Promise<Member> {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: unknown) => void }>();
  let last = 0;
  const { url } = await new Promise<{ url: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { url: string }));
    child.once('exit', (code) => reject(new Error(`a gateway ended with ${code} before it was ready`)));
  });
  child.on('message', ({ id, value, error, message }: Answer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(value as never);
    else one?.reject(new OrderError(error, message ?? ''));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`a gateway ended with ${code}`));
  });
  return {
    url,
    order: (name, ...given) =>
      new Promise((resolve, reject) => {
        const id = (last += 1);
        waiting.set(id, { resolve, reject });
        child.send({ id, name, given: given[0] });
      }),
  };
}

function openProxy(members: () => readonly Member[]): Server {
  let turn = 0;
  return createServer((incoming, outgoing) => {
    const list = members();
    const target = new URL(list[turn++ % list.length]?.url ?? '');
    const { method, url: path, headers, socket } = incoming;
    const forwarded = headers['x-forwarded-for'] ?? socket.remoteAddress ?? '';
    const onward = ask(
      {
        host: target.hostname,
        port: target.port,
        method,
        path,
        headers: { ...headers, 'x-forwarded-for': forwarded },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
}
