// A small JSON-RPC server on loopback. It offers what a reader and a sender of signed transactions need and
// nothing else: no cheat codes, no accounts, no CORS. Web pages cannot use it: a foreign Host (DNS rebinding)
// and any Origin are refused.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isRecord, type RequestProvider, unavailable } from './rpc.ts';

export interface RpcServer {
  readonly url: string;
  close(): Promise<void>;
}

const maxBodyBytes = 256 * 1024;
const maxBatch = 100;

/**
 * @param port 0 takes any free one
 * @throws GatewayError `chain_unavailable` when the port is taken
 */
export async function serveRpc(provider: RequestProvider, port: number): Promise<RpcServer> {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000, maxHeaderSize: 8 * 1024 },
    (request, response) => {
      void handle(provider, request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        unavailable(
          `Port ${port} of the local chain cannot be used; ASSENT_CHAIN_PORT names another, 0 any`,
          cause,
        ),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

async function handle(
  provider: RequestProvider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isLoopbackName(request.headers.host))
    return refuse(response, 403, 'This server answers on loopback names only');
  if (request.headers.origin !== undefined) return refuse(response, 403, 'Web pages are not served');
  if (request.method !== 'POST') return refuse(response, 405, 'JSON-RPC comes as POST');
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    return refuse(response, 415, 'JSON-RPC comes as application/json');
  }
  const body = await readBody(request);
  if (body === undefined) return refuse(response, 413, `The body is larger than ${maxBodyBytes} bytes`);
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    return send(response, 200, failure(null, -32700, 'This is not JSON'));
  }
  if (!Array.isArray(message)) return send(response, 200, await answer(provider, message));
  if (message.length === 0 || message.length > maxBatch) {
    return send(response, 200, failure(null, -32600, `A batch holds 1 to ${maxBatch} calls`));
  }
  const answers: unknown[] = [];
  for (const one of message) answers.push(await answer(provider, one));
  send(response, 200, answers);
}

async function answer(provider: RequestProvider, message: unknown): Promise<unknown> {
  if (!isRecord(message) || typeof message['method'] !== 'string' || message['jsonrpc'] !== '2.0') {
    return failure(null, -32600, 'This is not a JSON-RPC 2.0 call');
  }
  const id = typeof message['id'] === 'string' || typeof message['id'] === 'number' ? message['id'] : null;
  const params = message['params'] ?? [];
  if (!Array.isArray(params)) return failure(id, -32602, 'Parameters come as a list');
  try {
    return { jsonrpc: '2.0', id, result: await provider.request({ method: message['method'], params }) };
  } catch (error) {
    const { code, message: text, data } = error as { code?: unknown; message?: unknown; data?: unknown };
    return failure(
      id,
      typeof code === 'number' ? code : -32603,
      typeof text === 'string' ? text : 'error',
      data,
    );
  }
}

/** Host as browsers and clients send it: a name of this machine, with or without a port. */
function isLoopbackName(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > maxBodyBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function refuse(response: ServerResponse, status: number, message: string): void {
  // The rest of the body is not read, so the connection cannot be used again.
  response.setHeader('connection', 'close');
  send(response, status, failure(null, -32600, message));
}

function failure(id: string | number | null, code: number, message: string, data?: unknown): unknown {
  return { jsonrpc: '2.0', id, error: data === undefined ? { code, message } : { code, message, data } };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(body));
}
