// Ethereum JSON-RPC: one request, one answer, a time limit. Keeps no state and never retries.
import { GatewayError } from '../errors.ts';

/** An in-process chain (EIP-1193), such as the local one. */
export interface RequestProvider {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>;
}

export type RpcTarget = { url: string } | { provider: RequestProvider };

export interface Rpc {
  /**
   * @throws RpcError when the node answered with an error
   * @throws GatewayError `chain_unavailable` when there was no usable answer in time
   */
  call(method: string, params?: readonly unknown[]): Promise<unknown>;
}

/** The node's own "no". */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }
}

// A block of a busy chain lists some hundred transaction hashes: tens of kilobytes.
const maxAnswerBytes = 4 * 1024 * 1024;

export function openRpc(target: RpcTarget, timeoutMs: number): Rpc {
  return 'url' in target ? openHttpRpc(target.url, timeoutMs) : openProviderRpc(target.provider, timeoutMs);
}

function openHttpRpc(text: string, timeoutMs: number): Rpc {
  if (!URL.canParse(text) || !['http:', 'https:'].includes(new URL(text).protocol)) {
    throw new GatewayError('config_invalid', 'The chain address is not an http(s) URL');
  }
  const url = new URL(text);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  // fetch refuses credentials inside a URL.
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  // Only the host is ever shown: providers put their access key into the path.
  const name = url.host;
  let nextId = 1;
  return {
    async call(method, params = []) {
      const id = nextId++;
      let answer: unknown;
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers,
          body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
        });
        answer = JSON.parse(await readLimited(response));
      } catch (cause) {
        throw unavailable(`${name} gave no usable answer to ${method}`, cause);
      }
      if (!isRecord(answer))
        throw unavailable(`${name} answered ${method} with something else than JSON-RPC`);
      if (isRecord(answer['error'])) throw toRpcError(answer['error']);
      if (answer['id'] !== id || answer['result'] === undefined) {
        throw unavailable(`${name} answered ${method} with something else than JSON-RPC`);
      }
      return answer['result'];
    },
  };
}

function openProviderRpc(provider: RequestProvider, timeoutMs: number): Rpc {
  return {
    async call(method, params = []) {
      const { promise: late, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => reject(unavailable(`The chain did not answer ${method} in time`)),
        timeoutMs,
      );
      try {
        return await Promise.race([provider.request({ method, params }), late]);
      } catch (error) {
        if (error instanceof GatewayError || error instanceof RpcError) throw error;
        if (isRecord(error) && typeof error['code'] === 'number') throw toRpcError(error);
        throw unavailable(`The chain could not answer ${method}`, error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function readLimited(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.byteLength;
    if (sizeBytes > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function toRpcError(error: Record<string, unknown>): RpcError {
  const code = typeof error['code'] === 'number' ? error['code'] : -32603;
  const message = typeof error['message'] === 'string' ? error['message'].slice(0, 500) : 'unknown error';
  return new RpcError(code, message, error['data']);
}

export function unavailable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('chain_unavailable', message, cause === undefined ? {} : { cause });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
