// The closed list of things that can go wrong, with the status a caller sees. Knows no HTTP library.

/** Code → HTTP status and the text a caller may read. Details that could disclose data stay in `cause`. */
export const errorCodes = {
  // requests
  malformed_request: { status: 400, title: 'The request could not be read' },
  unknown_field: { status: 400, title: 'The request has a field that is not known here' },
  unknown_category: { status: 400, title: 'This category is not in the list' },
  unknown_purpose: { status: 400, title: 'This purpose is not in the list' },
  unknown_recipient: { status: 400, title: 'This recipient is not registered' },
  unknown_scope: { status: 400, title: 'This scope is not in the list' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  unsupported_media_type: { status: 415, title: 'The content type is not understood here' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  not_found: { status: 404, title: 'Nothing here' },
  person_gone: { status: 410, title: 'The data of this person was deleted' },
  method_not_allowed: { status: 405, title: 'This address does not take this method' },
  notice_changed: { status: 409, title: 'The notice has changed; read it and choose again' },
  conflict: { status: 409, title: 'This contradicts what is already there' },
  too_many_entries: { status: 409, title: 'There is more than one file can hold; ask for a part' },
  idempotency_mismatch: { status: 409, title: 'This idempotency key was used for another request' },
  // callers
  unauthenticated: { status: 401, title: 'Sign in, or send a valid access token' },
  invalid_token: { status: 401, title: 'The access token is not valid (any more)' },
  forbidden: { status: 403, title: 'This caller may not do this' },
  csrf: { status: 403, title: 'The form is not from this session; load the page again' },
  sign_in_failed: { status: 401, title: 'Name or password is wrong' },
  invitation_invalid: { status: 400, title: 'The invitation is not valid (any more)' },
  // decisions
  consent_required: { status: 403, title: 'The person has not allowed this use' },
  not_available: { status: 403, title: 'This is not available' },
  insufficient_scope: { status: 403, title: 'The access token does not cover this scope' },
  consent_withdrawn: { status: 409, title: 'People withdrew while this ran; the result is withheld' },
  // permits
  permit_invalid: { status: 500, title: 'A use of data came without a valid permit' },
  // privacy
  epsilon_out_of_range: { status: 400, title: 'Epsilon must be a decimal number within the stated range' },
  budget_exhausted: { status: 429, title: 'The privacy budget of this scope is spent' },
  unknown_query: { status: 400, title: 'This query is not one of those offered' },
  // imports
  import_format: { status: 400, title: 'The file does not have the expected form' },
  import_encoding: { status: 400, title: 'The file is not in the stated encoding' },
  demo_world: {
    status: 409,
    title: 'This data folder holds the demo world; real data goes into another one',
  },
  // backups
  backup_invalid: { status: 400, title: 'The backup cannot be used' },
  // log and store
  log_unavailable: { status: 503, title: 'The log cannot be written; nothing was done' },
  store_unavailable: { status: 503, title: 'The store cannot be used now; ask again' },
  log_fork: { status: 500, title: 'The log contradicts what was signed or anchored before' },
  log_clock_backwards: { status: 503, title: 'The clock went backwards; nothing was logged' },
  chain_unavailable: { status: 503, title: 'The chain cannot be reached' },
  config_invalid: { status: 500, title: 'The configuration is not valid' },
  not_trained: { status: 409, title: 'There is no trained model yet' },
  internal: { status: 500, title: 'Something went wrong here; nothing was done' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** An error with a stable code. `details` are safe to show to the caller; `cause` is not. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message?: string,
    options?: { details?: Record<string, unknown>; cause?: unknown },
  ) {
    super(
      message ?? errorCodes[code].title,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'GatewayError';
    this.code = code;
    this.details = Object.freeze({ ...options?.details });
  }

  get status(): number {
    return errorCodes[this.code].status;
  }
}
