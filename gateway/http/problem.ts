// GatewayError → problem+json (RFC 9457). The only place that turns codes into answers for programs.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { errorCodes, GatewayError, type ErrorCode } from '../errors.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail?: string;
  readonly [extension: string]: unknown;
}

/** Any error as one with a code: what Fastify and the validator throw has codes of its own. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const fastify = error as Partial<FastifyError>;
  switch (fastify.code ?? '') {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GatewayError('body_too_large');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new GatewayError('unsupported_media_type');
    case 'FST_ERR_VALIDATION':
      return new GatewayError(isUnknownField(error) ? 'unknown_field' : 'malformed_request', fastify.message);
    default:
  }
  if (isStoreAway(error)) return new GatewayError('store_unavailable', undefined, { cause: error });
  if (fastify.statusCode === 429) return new GatewayError('too_many_requests');
  if (fastify.statusCode !== undefined && fastify.statusCode >= 400 && fastify.statusCode < 500) {
    return new GatewayError('malformed_request', 'the request could not be read');
  }
  return new GatewayError('internal', undefined, { cause: error });
}

/** SQLite's own words for a file that is locked, full or cannot be read now: what a read outside the writer throws. */
function isStoreAway(error: unknown): boolean {
  const { name, code, cause } = error as { name?: unknown; code?: unknown; cause?: unknown };
  if (name === 'SqliteError') return /^SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|PROTOCOL)/.test(String(code));
  return cause instanceof Error && isStoreAway(cause);
}

function isUnknownField(error: unknown): boolean {
  const { validation } = error as { validation?: { keyword?: string }[] };
  return validation?.some(({ keyword }) => keyword === 'additionalProperties') ?? false;
}

/** What a caller is told. The message of an internal error is not. */
export function problemOf(error: GatewayError, baseUrl: string): Problem {
  const { status, title } = errorCodes[error.code];
  return {
    type: `${baseUrl}/problems/${error.code}`,
    title,
    status,
    code: error.code,
    ...(status < 500 && error.message !== title ? { detail: error.message } : {}),
    ...(status < 500 ? error.details : {}),
  };
}

/** What is unavailable is looked for again every second; a caller that waits this long finds it or another process. */
export const retryAfterSeconds = '5';

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: GatewayError,
  baseUrl: string,
  more: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  // The log line has the code and the route's pattern, never the URL: it may carry a query string.
  const line = { code: error.code, route: request.routeOptions.url };
  if (error.status >= 500) request.log.error({ ...line, err: error.cause ?? error }, 'request failed');
  else request.log.info(line, 'request refused');
  const wanted = challenge(error.code, request.headers.authorization);
  if (wanted !== undefined) void reply.header('www-authenticate', wanted);
  if (error.status === 503) void reply.header('retry-after', retryAfterSeconds);
  return reply
    .status(error.status)
    .type('application/problem+json')
    .send(JSON.stringify({ ...problemOf(error, baseUrl), ...more }));
}

/** RFC 6750 section 3, RFC 9449 section 7.1: in the scheme the caller tried. */
function challenge(code: ErrorCode, tried: string | undefined): string | undefined {
  const scheme = tried?.startsWith('DPoP ') === true ? 'DPoP' : 'Bearer';
  if (code === 'unauthenticated' || code === 'sign_in_failed') return scheme;
  if (code === 'invalid_token' || code === 'insufficient_scope') return `${scheme} error="${code}"`;
  return undefined;
}

/** Name, code and stack of a failure. Its message may hold rows or tokens, so only those known not to are kept. */
export function describeCause(
  cause: unknown,
): Record<string, unknown> & { type: string; message: string; stack: string } {
  if (!(cause instanceof Error)) return { type: typeof cause, message: '', stack: '' };
  const { code } = cause as { code?: unknown };
  return {
    type: cause.name,
    message: speaksOfNobody(cause) ? cause.message.slice(0, 300) : '',
    ...(typeof code === 'string' ? { code: code.slice(0, 64) } : {}),
    // A message of several lines is repeated at the stack's head.
    stack: (cause.stack ?? '')
      .split('\n')
      .filter((line) => /^ {4}at /.test(line))
      .slice(0, 8)
      .join('\n'),
    ...(cause.cause instanceof Error ? { cause: describeCause(cause.cause) } : {}),
  };
}

/** Our own messages name no data; those of the stores name tables, columns and constraints, never values. */
function speaksOfNobody(cause: Error): boolean {
  return cause instanceof GatewayError || cause.name === 'SqliteError' || cause.name === 'PostgresError';
}
