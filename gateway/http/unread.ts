// Requests that reach no route: refused by Node before they are read, or with a method their address does not take.
import type { ConnectionError, FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';
import { errorCodes, GatewayError, type ErrorCode } from '../errors.ts';
import { problemOf } from './problem.ts';

/** Answers on the bare connection, which is then closed. */
export function refuseUnread(error: ConnectionError, socket: Socket, baseUrl: string): void {
  // A peer that is gone hears nothing.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy();
  const code = codeOf(error.code);
  const body = JSON.stringify(problemOf(new GatewayError(code), baseUrl));
  socket.end(
    [
      `HTTP/1.1 ${errorCodes[code].status} ${errorCodes[code].title}`,
      'content-type: application/problem+json',
      'x-content-type-options: nosniff',
      'cache-control: no-store',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function codeOf(code: string | undefined): ErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request_timeout' : 'malformed_request';
}

const longestPath = 2000;

/** Remembers the routes as they are added. */
export function knownMethods(app: FastifyInstance): { allowed(url: string): string[] } {
  const routes: { methods: readonly string[]; path: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    // A wildcard takes whatever it takes by itself, such as the authorization server.
    if (!url.includes('*')) routes.push({ methods: [method].flat(), path: patternOf(url) });
  });
  return {
    allowed(url) {
      const path = (url.split('?', 1)[0] ?? '').slice(0, longestPath);
      return [...new Set(routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods))];
    },
  };
}

function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) =>
    // Fastify's parameters; a part may hold text around one, which never has "/" in it.
    part.includes(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
  );
  return new RegExp(`^${parts.join('/')}$`);
}
