// Environment → one frozen Config, checked once. The only place that reads the environment.
import { isIP } from 'node:net';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { GatewayError } from './errors.ts';
import { problemOfUrl, readUrlFile } from './store/url.ts';

export interface Config {
  /** Folder with database, keys and the local chain's journal. */
  readonly home: string;
  /** PostgreSQL that holds the data; undefined: an SQLite file in `home`. Asked for, so that no dump shows it. */
  readonly postgresUrl: (() => string) | undefined;
  readonly host: string;
  readonly port: number;
  /** How others reach this gateway; the OAuth issuer is `<publicUrl>/oidc`. */
  readonly publicUrl: string;
  /** Name of the log in checkpoints (C2SP: a schema-less URL). */
  readonly origin: string;
  /** Whether the name was given, not made from the public URL. */
  readonly originIsChosen: boolean;
  /** JSON-RPC URL of an EVM chain; undefined: the local Hardhat chain. */
  readonly chainUrl: string | undefined;
  /** Port of the local chain's JSON-RPC server on loopback; 0: any free one. */
  readonly chainPort: number;
  /** Contract on a chain given by URL; undefined: deployed on first start. */
  readonly chainContract: string | undefined;
  /** File with the key that sends anchors to a chain given by URL; undefined: the one made on first start. */
  readonly chainKeyFile: string | undefined;
  /** The only chain id that is accepted; undefined: the one the log was first anchored on. */
  readonly chainId: number | undefined;
  /** No anchor is signed that may cost more per gas, gwei. */
  readonly chainMostFeeGwei: number;
  /** `tag` (finalized), `safe`, `instant` or a number of confirmations; a local chain is never final. */
  readonly chainFinality: 'tag' | 'safe' | 'instant' | number;
  readonly anchorEveryMs: number;
  readonly checkpointEveryMs: number;
  /** How long consent events, decisions and the erasure itself stay readable after an erasure, days. */
  readonly evidenceDays: number;
  /** File of a witness policy (c2sp.org/tlog-policy); undefined: no witness is asked. */
  readonly witnessPolicyFile: string | undefined;
  /** From whom X-Forwarded-For is believed: addresses, networks, or `loopback`; nobody where it is empty. */
  readonly trustedProxies: readonly string[];
  /** Start without the demo world. */
  readonly empty: boolean;
  /** Who may read `/metrics`. */
  readonly metrics: 'public' | 'loopback' | 'off';
  /** From the signal to stop until no new connection is taken: so that a proxy notices. */
  readonly drainMs: number;
  /** From then on until what is left is cut. */
  readonly stopMs: number;
  readonly limits: {
    readonly bodyBytes: number;
    readonly requestsPerMinute: number;
    readonly requestTimeoutMs: number;
    /** ε a query may ask for at most, decimal. */
    readonly epsilonPerQuery: string;
    /** ε of a dataset and purpose in all, micro-ε. */
    readonly scopeBudgetMicro: number;
    /** ε a person spends at most unless they choose otherwise, micro-ε. */
    readonly personBudgetMicro: number;
  };
}

/** Every variable with what it means; the README's table is made from this list. */
export const variables = {
  ASSENT_HOME: 'folder with database, keys and local chain (default: ./data)',
  ASSENT_STORE:
    'postgres://USER@HOST/DATABASE of a PostgreSQL 15 or newer that holds the data (default: a file in the data folder)',
  ASSENT_STORE_FILE: 'file that holds such a URL, for one with a password; readable by its owner alone',
  HOST: 'address to listen on (default: 127.0.0.1)',
  PORT: 'port to listen on (default: 8080)',
  ASSENT_PUBLIC_URL: 'URL others use for this gateway (default: http://HOST:PORT)',
  ASSENT_ORIGIN: 'name of the log in checkpoints (default: host of the public URL + /log)',
  ASSENT_CHAIN_URL: 'JSON-RPC URL of an EVM chain (default: the local Hardhat chain)',
  ASSENT_CHAIN_PORT: 'loopback port of the local chain (default: 8545)',
  ASSENT_CHAIN_CONTRACT: 'address of the anchor contract on that chain (default: deployed on first start)',
  ASSENT_CHAIN_KEY_FILE:
    'file with the private key that sends anchors there, 32 bytes in hex (default: <home>/keys/chain.key)',
  ASSENT_CHAIN_ID:
    'the chain id to accept; needed to move a log to another chain (default: the first one used)',
  ASSENT_CHAIN_MAX_FEE_GWEI: 'gwei per gas that an anchor may cost at most; above, it waits (default: 500)',
  ASSENT_CHAIN_FINALITY: 'finalized, safe, instant, or a number of confirmations (default: finalized)',
  ASSENT_ANCHOR_EVERY_SECONDS: 'seconds between anchors (default: 60)',
  ASSENT_EVIDENCE_DAYS: 'days that proof of consent stays readable after an erasure (default: 1095)',
  ASSENT_WITNESS_POLICY:
    'file that says which witnesses cosign heads, as c2sp.org/tlog-policy (default: none)',
  ASSENT_TRUST_PROXY:
    '1 behind a proxy on this machine that sets X-Forwarded-For, or the addresses of proxies elsewhere (10.0.0.7,10.1.0.0/24)',
  ASSENT_METRICS: 'who may read /metrics: public, loopback or off (default: loopback)',
  ASSENT_DRAIN_SECONDS:
    'seconds a stopping gateway goes on taking requests while /readyz says 503 (default: 0; up to 60)',
  ASSENT_STOP_SECONDS:
    'seconds it then has for requests in flight and the last signature before they are cut (default: 30)',
  ASSENT_EMPTY: '1: start without the demo world',
  ASSENT_REQUESTS_PER_MINUTE: 'requests a minute from one address (default: 600; 0: no limit)',
} as const;

/** Read by tests and benches alone; a gateway started from there sees them too. */
const testVariables: ReadonlySet<string> = new Set([
  'ASSENT_DATA',
  'ASSENT_VECTORS',
  'ASSENT_REQUIRE_DATA',
  'ASSENT_CRASH_ROUNDS',
  'ASSENT_PAIRS',
  'ASSENT_TEST_POSTGRES',
  'ASSENT_TEST_STORE',
]);

/** @throws GatewayError `config_invalid` that lists every problem */
export function loadConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const text = (name: keyof typeof variables): string | undefined => environment[name] || undefined;
  const integer = (name: keyof typeof variables, fallback: number, least: number, most: number): number => {
    const given = text(name);
    if (given === undefined) return fallback;
    const value = Number(given);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    problems.push(`${name} must be a whole number from ${least} to ${most}`);
    return fallback;
  };

  for (const name of Object.keys(environment)) {
    if (name.startsWith('ASSENT_') && !Object.hasOwn(variables, name) && !testVariables.has(name)) {
      problems.push(`${name} is not a variable of Assent`);
    }
  }
  const host = text('HOST') ?? '127.0.0.1';
  const flag = (name: keyof typeof variables): boolean => {
    const given = text(name);
    if (given !== undefined && given !== '0' && given !== '1') problems.push(`${name} must be 1 or 0`);
    return given === '1';
  };
  const port = integer('PORT', 8080, 1, 65_535);
  const publicUrl = (text('ASSENT_PUBLIC_URL') ?? `http://${host}:${port}`).replace(/\/$/, '');
  let publicHost = host;
  try {
    const url = new URL(publicUrl);
    publicHost = url.host;
    if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
      problems.push('ASSENT_PUBLIC_URL must be https unless it is a loopback address');
    }
  } catch {
    problems.push('ASSENT_PUBLIC_URL is not a URL');
  }
  if (!isLoopback(host) && text('ASSENT_PUBLIC_URL') === undefined) {
    problems.push('HOST is not a loopback address: set ASSENT_PUBLIC_URL to the https URL of your proxy');
  }
  const chainUrl = text('ASSENT_CHAIN_URL');
  if (chainUrl !== undefined && !/^https?:\/\//.test(chainUrl))
    problems.push('ASSENT_CHAIN_URL is not an http(s) URL');
  else if (chainUrl !== undefined && !URL.canParse(chainUrl)) problems.push('ASSENT_CHAIN_URL is not a URL');
  const chainContract = text('ASSENT_CHAIN_CONTRACT');
  if (chainContract !== undefined && chainUrl === undefined) {
    problems.push('ASSENT_CHAIN_CONTRACT needs ASSENT_CHAIN_URL');
  }
  const chainKeyFile = text('ASSENT_CHAIN_KEY_FILE');
  if (chainKeyFile !== undefined && chainUrl === undefined) {
    problems.push('ASSENT_CHAIN_KEY_FILE needs ASSENT_CHAIN_URL');
  }
  const chainId = text('ASSENT_CHAIN_ID');
  const chainMostFeeGwei = integer('ASSENT_CHAIN_MAX_FEE_GWEI', 500, 1, 1_000_000_000);
  const finality = text('ASSENT_CHAIN_FINALITY') ?? 'finalized';
  const chainFinality = finality === 'safe' || finality === 'instant' ? finality : finalityOf(finality);
  if (typeof chainFinality === 'number' && !(Number.isInteger(chainFinality) && chainFinality > 0)) {
    problems.push('ASSENT_CHAIN_FINALITY must be finalized, safe, instant or a number of confirmations');
  }
  const home = resolve(expandHome(text('ASSENT_HOME') ?? 'data'));
  const anchorEverySeconds = integer('ASSENT_ANCHOR_EVERY_SECONDS', 60, 1, 86_400);
  const evidenceDays = integer('ASSENT_EVIDENCE_DAYS', 1095, 1, 36_500);
  const requestsPerMinute = integer('ASSENT_REQUESTS_PER_MINUTE', 600, 0, 10_000_000);
  const witnessPolicy = text('ASSENT_WITNESS_POLICY');
  const trustedProxies = proxiesOf(text('ASSENT_TRUST_PROXY'));
  if (trustedProxies === undefined)
    problems.push(
      'ASSENT_TRUST_PROXY must be 1, 0, or addresses and networks of proxies with commas between',
    );
  const empty = flag('ASSENT_EMPTY');
  const metrics = text('ASSENT_METRICS') ?? 'loopback';
  if (metrics !== 'public' && metrics !== 'loopback' && metrics !== 'off')
    problems.push('ASSENT_METRICS must be public, loopback or off');
  const drainSeconds = integer('ASSENT_DRAIN_SECONDS', 0, 0, 60);
  const stopSeconds = integer('ASSENT_STOP_SECONDS', 30, 3, 600);
  const storeUrl = text('ASSENT_STORE') === 'sqlite' ? undefined : text('ASSENT_STORE');
  const storeFile = text('ASSENT_STORE_FILE');
  const storeProblem = storeUrl === undefined ? undefined : problemOfUrl(storeUrl);
  if (storeProblem !== undefined) problems.push(`ASSENT_STORE ${storeProblem}`);
  if (storeFile !== undefined && text('ASSENT_STORE') !== undefined)
    problems.push('ASSENT_STORE and ASSENT_STORE_FILE: only one of them');
  const chainPort = integer('ASSENT_CHAIN_PORT', 8545, 0, 65_535);
  const chainIdWanted =
    chainId === undefined ? undefined : integer('ASSENT_CHAIN_ID', 0, 1, Number.MAX_SAFE_INTEGER);
  if (problems.length > 0) throw new GatewayError('config_invalid', problems.join('\n'));

  return Object.freeze({
    home,
    postgresUrl: postgresUrlOf(storeUrl, storeFile),
    host,
    port,
    publicUrl,
    origin: text('ASSENT_ORIGIN') ?? `${publicHost}/log`,
    originIsChosen: text('ASSENT_ORIGIN') !== undefined,
    chainUrl,
    chainPort,
    chainContract,
    chainKeyFile: chainKeyFile === undefined ? undefined : resolve(expandHome(chainKeyFile)),
    chainId: chainIdWanted,
    chainMostFeeGwei,
    chainFinality,
    anchorEveryMs: anchorEverySeconds * 1000,
    checkpointEveryMs: 1000,
    evidenceDays,
    witnessPolicyFile: witnessPolicy === undefined ? undefined : resolve(expandHome(witnessPolicy)),
    trustedProxies: Object.freeze(trustedProxies ?? []),
    empty,
    metrics: metrics as Config['metrics'],
    drainMs: drainSeconds * 1000,
    stopMs: stopSeconds * 1000,
    limits: Object.freeze({
      bodyBytes: 64 * 1024,
      requestsPerMinute,
      requestTimeoutMs: 30_000,
      epsilonPerQuery: '1',
      scopeBudgetMicro: 10_000_000,
      personBudgetMicro: 3_000_000,
    }),
  });
}

function postgresUrlOf(url: string | undefined, file: string | undefined): (() => string) | undefined {
  if (url !== undefined) return () => url;
  return file === undefined ? undefined : () => readUrlFile(resolve(expandHome(file)));
}

/** Everybody at once is not a proxy: networks wider than /8, or /7 of IPv6, are no answer. */
function proxiesOf(given: string | undefined): string[] | undefined {
  if (given === undefined || given === '0') return [];
  if (given === '1') return ['loopback'];
  const proxies = given.split(',').map((one) => one.trim());
  const isNetwork = (one: string): boolean => {
    const [address = '', bits, ...more] = one.split('/');
    const version = isIP(address);
    // An IPv4 address in the clothes of IPv6 would make a network of another width.
    if (version === 0 || more.length > 0 || address.includes('%') || /:.*\./.test(address)) return false;
    if (/^::ffff:/i.test(address)) return false;
    const [least, most] = version === 6 ? [7, 128] : [8, 32];
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= least && Number(bits) <= most);
  };
  return proxies.every(isNetwork) ? proxies : undefined;
}

/** The tag goes by two names: `tag` is the older one. */
const finalityOf = (text: string): 'tag' | number =>
  text === 'tag' || text === 'finalized' ? 'tag' : Number(text);

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function expandHome(path: string): string {
  return path.startsWith('~/') && !isAbsolute(path) ? join(homedir(), path.slice(2)) : path;
}
