// The command line, read: positionals and options, and how an answer is given. Imports nothing heavy.
import { parseArgs, type ParseArgsConfig } from 'node:util';

export const options = {
  home: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
  language: { type: 'string' },
  source: { type: 'string' },
  basis: { type: 'string' },
  movielens: { type: 'string' },
  map: { type: 'string' },
  consents: { type: 'string' },
  trust: { type: 'string' },
  rpc: { type: 'string' },
  state: { type: 'string' },
  earlier: { type: 'string' },
  report: { type: 'string' },
  'token-file': { type: 'string' },
  mirror: { type: 'string' },
  redirect: { type: 'string', multiple: true },
  scope: { type: 'string', multiple: true },
  keys: { type: 'string' },
  replace: { type: 'boolean' },
  check: { type: 'boolean' },
  'accept-loss': { type: 'string' },
  person: { type: 'string' },
  partner: { type: 'string' },
  purpose: { type: 'string' },
  hold: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  entry: { type: 'string' },
  since: { type: 'string' },
  'tlog-proof': { type: 'boolean' },
  name: { type: 'string' },
  log: { type: 'string', multiple: true },
  logs: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

export type Values = ReturnType<typeof parse>['values'];

export function parse(given: string[]) {
  return parseArgs({ args: given, options, allowPositionals: true, strict: true });
}

/** The command was not understood; nothing was done. */
export class Usage extends Error {}

/** @throws Usage naming what is missing */
export function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Usage(`missing: ${what}`);
  return value;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One object for programs, lines for people. */
export function report(values: Values, json: object, lines: readonly string[]): void {
  say(values.json === true ? JSON.stringify(json) : lines.join('\n'));
}
