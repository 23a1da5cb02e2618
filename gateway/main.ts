// Starts the gateway: config → parts → chain → demo world → application → listen → graceful stop.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createAnchorer } from './audit/anchor.ts';
import { createAnchoring, type Anchoring } from './audit/anchoring.ts';
import { buildApp } from './app.ts';
import { projectRoot } from './chain/compile.ts';
import { lockHome } from './chain/lock.ts';
import { databaseFile, openChain, openCore, type Core, type OpenChain } from './compose.ts';
import { waysOut } from './commands/ways-out.ts';
import { isLoopback, loadConfig, variables } from './config.ts';
import { demoSurface } from './demo/routes.ts';
import { ensureDemoWorld, settledWorld, type World } from './demo/world.ts';
import { GatewayError } from './errors.ts';
import { createHealth, healthRoutes, type Health } from './http/health.ts';
import { metricsRoutes, type MetricsParts } from './http/metrics.ts';
import { stopServing } from './http/stop.ts';
import { deleteExpired } from './oauth/adapter.ts';
import { oauthSurface } from './oauth/surface.ts';
import { expireQuarantine } from './operations/import-data.ts';
import { createRecommender } from './operations/recommend.ts';
import { recordRestore } from './operations/restore.ts';
import { createPortal, portalRoutes, unknownPage } from './portal/surface.ts';
import { cleanIfDue, paceCleanings } from './rights/clean.ts';
import { eraseAgain } from './rights/erase-again.ts';
import { resumeErasures } from './rights/erase.ts';
import { retentionRound } from './rights/retention.ts';
import { realSystem } from './system.ts';

/** Between two looks for work that a dead process left open. */
const goneEveryMs = 5_000;
/** How long a person's file waits for its anchor. */
const anchorPatienceMs = 3_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** For the message of a refused start. */
let homeForAdvice = 'DIR';

async function start(): Promise<void> {
  const config = loadConfig({ ...process.env, ...fromArguments(process.argv.slice(2)) });
  homeForAdvice = config.home;
  const begun = performance.now();
  say('Assent is starting');
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  // Two gateways on one folder would each close the other's running work as abandoned.
  const lock = await lockHome(config.home);
  const core = await openCore(config, realSystem, { role: 'gateway' }).catch(async (error: unknown) => {
    await lock.release();
    throw error;
  });
  const stopping = createStopping(config.stopMs);
  stopping.last('the data folder', () => lock.release());
  stopping.last('the store', () => core.close());
  const anchoring = anchoringOf(core);
  const health = createHealth({
    store: core.store,
    clock: core.system.clock,
    chain: () => anchoring.status().chain,
    witnesses: core.witnesses,
  });
  let world: World;
  try {
    stopping.last('the chain', () => anchoring.close());
    await openAnchoring(core, anchoring);
    world = await serve(core, anchoring, health, stopping);
  } catch (error) {
    await stopping.stop();
    throw error;
  }
  // Before it says that it is ready: whoever waits for that may stop it in the same moment.
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Repeating it changes nothing: an impatient second Ctrl-C must not cut the last signature short.
      if (isStopping) return;
      isStopping = true;
      health.startDraining();
      const { drainMs } = config;
      say(`\n${signal}: ${drainMs > 0 ? `taking requests for ${drainMs / 1000} s more, then ` : ''}stopping`);
      setTimeout(() => void stopping.stop().then((code) => process.exit(code)), drainMs);
    });
  }
  await greet(core, anchoring.opened(), world, Math.round(performance.now() - begun));
}

/** Who does not lead compares too, where there is something to compare with, and leaves the chain to the leader. */
async function openAnchoring({ config, leadership, chain }: Core, anchoring: Anchoring): Promise<void> {
  if (leadership.isLeader() || config.chainUrl === undefined || (await chain()) !== null)
    await anchoring.start();
  if (!leadership.isLeader()) await anchoring.rest();
}

function anchoringOf(core: Core): Anchoring<OpenChain> {
  const { config, store, log, publisher, system, leadership } = core;
  return createAnchoring({
    open: () => openChain(core, leadership.isLeader() || config.chainUrl === undefined),
    anchorerOn: (chain) =>
      createAnchorer({
        store,
        log,
        publisher,
        chain,
        origin: config.origin,
        clock: system.clock,
        mayAnchor: () => leadership.isLeader(),
        mostFeePerGasWei: BigInt(config.chainMostFeeGwei) * 1_000_000_000n,
      }),
    isLocal: config.chainUrl === undefined,
    clock: system.clock,
    warn: (text) => void process.stderr.write(`\n${text}\n\n`),
    onFork: (error) => {
      // Nothing may be signed any more, so no last checkpoint either; what was answered is durable.
      process.stderr.write(`Assent stops (${error.code}): ${error.message}\n${waysOut(error, config.home)}`);
      process.exit(1);
    },
  });
}

async function serve(core: Core, anchoring: Anchoring, health: Health, stopping: Stopping): Promise<World> {
  const { config, store, publisher, gate, system, operations, leadership } = core;
  // Before anything is written: a witness that saw more than this folder holds keeps it from going on.
  for (const { witness, detail } of await core.witnesses.check()) {
    say(`the witness ${witness} could not be asked what it saw: ${detail}`);
  }
  // On the own chain an anchor is there at once and costs nothing; elsewhere the next round has to do.
  if (config.chainUrl === undefined) {
    core.anchorBeforeProofs(() =>
      Promise.race([
        leadership
          .asLeader(() => anchoring.round())
          .then(
            () => undefined,
            () => undefined,
          ),
        new Promise<void>((resolve) => void setTimeout(resolve, anchorPatienceMs).unref()),
      ]),
    );
  }
  // Before anything is closed: a demo history that was cut short goes on with its own clock.
  const world = await worldOf(core);
  if (leadership.isLeader()) await endInterrupted(core);

  const oauth = oauthSurface(core);
  const recommender = createRecommender(operations);
  const portal = createPortal(core, { recommender, oauth, isDemo: world === 'demo', anchoring });
  const app = await buildApp({
    parts: operations,
    recommender,
    gate,
    config,
    prover: core.prover,
    publisher,
    proveDpop: oauth.proveDpop,
    identify: oauth.identify,
    unknownPage: (request, reply) => unknownPage(portal, request, reply),
    isDraining: () => health.isDraining(),
    logLevel: 'warn',
    surfaces: [
      (scope) => healthRoutes(scope, health),
      (scope, traffic) =>
        metricsRoutes(scope, metricsParts(core, anchoring, health), traffic, config.metrics),
      oauth.routes,
      (scope) => portalRoutes(scope, portal),
      ...(world === 'demo' && isLoopback(config.host) ? [demoSurface(core, oauth)] : []),
    ],
  });
  const clean = pacedCleaning(core);
  const asLeader = (work: () => Promise<unknown>) => (): Promise<unknown> => leadership.asLeader(work);
  const rounds = [
    every(
      config.checkpointEveryMs,
      'checkpoint',
      async () => (await leadership.asLeader(() => publisher.publish())) ?? publisher.follow(),
    ),
    every(
      config.checkpointEveryMs,
      'witnesses',
      async () => (await leadership.asLeader(() => askWitnesses(core))) ?? core.witnesses.follow(),
    ),
    every(
      config.anchorEveryMs,
      'anchor',
      asLeader(() => anchoring.round()),
      (delayMs) => {
        if (leadership.isLeader()) anchoring.plan(system.clock.nowMs() + delayMs);
      },
    ),
    every(60_000, 'rejected requests', () => app.rejected.flush()),
    every(
      600_000,
      'sweep',
      asLeader(async () => {
        await deleteExpired(store, system.clock.nowMs());
        await expireQuarantine(operations);
      }),
    ),
    every(
      60_000,
      'retention',
      asLeader(() => retentionRound({ ...operations, clean })),
    ),
  ];
  // A file of its own has no other gateway whose death could leave work open, and commands look after theirs.
  if (config.postgresUrl !== undefined)
    rounds.push(
      every(
        goneEveryMs,
        'work of processes that are gone',
        asLeader(() => closeGone(core)),
      ),
    );
  leadership.onChange((leads) => void changeLead(core, anchoring, leads));
  stopping.last(
    'the witnesses',
    asLeader(() => askWitnesses(core)),
  );
  stopping.last(
    'the last signed head',
    asLeader(() => publisher.publish()),
  );
  stopping.last('the count of rejected requests', () => app.rejected.flush());
  stopping.last('the rounds in the background', () => Promise.all(rounds.map((round) => round.stop())));
  // Calls that are being answered come first: their entries belong under the last signature.
  stopping.last('requests in flight', async () => {
    const cut = await stopServing(app, config.stopMs / 2);
    const abandoned = await gate.closeAbandoned('own');
    if (cut > 0) stopping.tell(`${cut} request(s) without their answer`);
    if (abandoned > 0) stopping.tell(`${abandoned} piece(s) of work, closed as abandoned`);
  });
  await leadership.asLeader(() => publisher.publish());
  if (anchoring.status().chain === 'answers') {
    await anchoring
      .round()
      .catch((error: unknown) => say(`the first anchor has to wait: ${messageOf(error)}`));
  }
  await app.fastify.listen({ host: config.host, port: config.port });
  return world;
}

/** The world is made, or gone on with, by the process that leads; others wait until it is settled. */
async function worldOf(core: Core): Promise<World> {
  while (!core.leadership.isLeader()) {
    const settled = await settledWorld(core);
    if (settled !== undefined) return settled;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return ensureDemoWorld(core, { say });
}

/** What a process that is gone left open. A failure is said: the rounds try again, and a later start. */
async function endInterrupted(core: Core): Promise<void> {
  await recordRestore(core.operations);
  await closeGone(core);
  const again = await eraseAgain(core.operations);
  if (again > 0) say(`erased ${again} people again whom a restore had brought back`);
  const erased = await resumeErasures(core.operations).catch((error: unknown) => {
    say(`an erasure that was interrupted has to wait: ${messageOf(error)}`);
    return 0;
  });
  if (erased > 0) say(`completed ${erased} erasure(s) that a stop had interrupted`);
}

/** Cleans at a pace that those who use the gateway can bear, and says how long they waited. */
function pacedCleaning({ store, system, config }: Core): () => Promise<boolean> {
  const sizeBytes = (): number =>
    config.postgresUrl === undefined ? statSync(join(config.home, databaseFile)).size : Infinity;
  const mayNow = paceCleanings(system.clock, sizeBytes);
  return async () => {
    let begun: number | undefined;
    const isClean = await cleanIfDue(store, () => {
      if (!mayNow()) return false;
      begun = performance.now();
      return true;
    });
    if (begun !== undefined)
      say(`cleaned the files of deleted rows in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    return isClean;
  };
}

async function closeGone({ gate }: Core): Promise<void> {
  const abandoned = await gate.closeAbandoned('gone');
  if (abandoned > 0) say(`closed ${abandoned} piece(s) of work that a stop had interrupted`);
}

async function changeLead(core: Core, anchoring: Anchoring, leads: boolean): Promise<void> {
  say(leads ? 'this process leads now: it signs and anchors' : 'this process does not lead any more');
  try {
    if (!leads) return await anchoring.rest();
    // Not in a minute: what the chain knows is compared with the log first of all.
    await core.leadership.asLeader(() => anchoring.round());
    await core.leadership.asLeader(() => endInterrupted(core));
  } catch (error) {
    process.stderr.write(`taking over: ${messageOf(error)}\n`);
  }
}

interface Stopping {
  /** What is added last is closed first. */
  last(name: string, close: () => Promise<unknown>): void;
  /** Notes that something was cut. */
  tell(what: string): void;
  /** Closes everything, whatever fails. Returns the exit code: 1 when something was cut or failed. */
  stop(): Promise<0 | 1>;
}

function createStopping(limitMs: number): Stopping {
  const parts: { readonly name: string; readonly close: () => Promise<unknown> }[] = [];
  let code: 0 | 1 = 0;
  const fault = (line: string): void => {
    code = 1;
    process.stderr.write(`${line}\n`);
  };
  return {
    last: (name, close) => void parts.push({ name, close }),
    tell: (what) => fault(`cut: ${what}`),
    async stop() {
      let current = '';
      const limit = setTimeout(() => {
        fault(`cut: not stopped after ${limitMs / 1000} s, waiting for ${current}`);
        process.exit(1);
      }, limitMs);
      for (const { name, close } of parts.splice(0).reverse()) {
        current = name;
        await close().catch((error: unknown) => fault(`${name} failed while stopping: ${messageOf(error)}`));
      }
      clearTimeout(limit);
      return code;
    },
  };
}

function metricsParts(core: Core, anchoring: Anchoring, health: Health): MetricsParts {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    store: core.store,
    log: core.log,
    publisher: core.publisher,
    witnesses: core.witnesses,
    clock: core.system.clock,
    chain: () => anchoring.status().chain,
    leads: () => core.leadership.isLeader(),
    health,
    version,
    // The gateway runs on the newest schema or not at all.
    schema: readdirSync(join(projectRoot, 'migrations', 'sqlite')).filter((name) => name.endsWith('.sql'))
      .length,
  };
}

/** The newest head alone: it extends all others. */
async function askWitnesses({ publisher, witnesses }: Core): Promise<void> {
  const head = await publisher.latest();
  if (head !== undefined) await witnesses.ask(head);
}

/** Repeats a piece of work, one at a time; a failure is said and tried again, it never stops the log. */
function every(
  delayMs: number,
  name: string,
  work: () => Promise<unknown>,
  planned?: (delayMs: number) => void,
): { stop(): Promise<void> } {
  let stopped = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const round = async (): Promise<void> => {
    try {
      await work();
      failures = 0;
    } catch (error) {
      failures += 1;
      process.stderr.write(`${name} failed (${failures}): ${messageOf(error)}\n`);
    }
    // Back-off up to 16 times the usual delay: a dead chain is not asked every second for a day.
    if (!stopped) plan(delayMs * Math.min(2 ** failures, 16));
  };
  const plan = (afterMs: number): void => {
    planned?.(afterMs);
    timer = setTimeout(() => {
      running = round();
    }, afterMs);
  };
  plan(delayMs);
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

async function greet(
  core: Core,
  open: OpenChain | undefined,
  world: 'demo' | 'real',
  tookMs: number,
): Promise<void> {
  const { config, leadership } = core;
  const silence = leadership.isLeader()
    ? 'does not answer; nothing is anchored until it does'
    : `${config.chainUrl} (another process leads and anchors)`;
  say(`
Assent is ready (${tookMs} ms)

  portal              ${config.publicUrl}/
${world === 'demo' ? `  demo, all doors     ${config.publicUrl}/demo\n` : ''}  check a proof       ${config.publicUrl}/verify
  OAuth issuer        ${config.publicUrl}/oidc
  chain (JSON-RPC)    ${open?.url ?? silence}
  contract            ${(open?.trusted ?? (await core.chain()))?.contract ?? 'unknown'}
  data folder         ${config.home}

Not for production as it is:
${config.chainUrl === undefined ? '  - the local chain: whoever has this folder can rebuild it; name another with ASSENT_CHAIN_URL\n' : ''}  - keys lie in files beside the data; keep ${config.home}/keys apart from backups of the data
${world === 'demo' ? '  - the demo world: invented people, doors without passwords; `npm start -- --empty --home DIR` starts without it\n' : ''}
Ctrl-C stops it; a second start goes on where this one stopped.`);
}

/** `--empty`, `--home DIR` and `--port N` stand for their variables. */
function fromArguments(given: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  const names: Record<string, keyof typeof variables> = {
    '--home': 'ASSENT_HOME',
    '--port': 'PORT',
    '--host': 'HOST',
  };
  for (let at = 0; at < given.length; at++) {
    const argument = given[at] ?? '';
    const [flag = '', inline] = argument.split('=', 2);
    const name = names[flag];
    if (argument === '--empty') found['ASSENT_EMPTY'] = '1';
    else if (name !== undefined) {
      const value = inline ?? given[++at];
      if (value === undefined || value === '' || value.startsWith('--'))
        throw new GatewayError('config_invalid', `${flag} needs a value`);
      found[name] = value;
    } else
      throw new GatewayError(
        'config_invalid',
        `unknown argument ${flag}; known: --empty --home DIR --port N --host ADDRESS`,
      );
  }
  return found;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

/** The commonest reason of all, in words that say what to do. */
function portInUse(error: unknown): GatewayError | undefined {
  const { code, port } = error as { code?: unknown; port?: unknown };
  if (code !== 'EADDRINUSE') return undefined;
  return new GatewayError('config_invalid', `port ${String(port)} is in use; choose another with --port N`);
}

start().catch((cause: unknown) => {
  const error = portInUse(cause) ?? cause;
  const code = error instanceof GatewayError ? error.code : 'internal';
  process.stderr.write(`Assent did not start (${code}): ${messageOf(error)}\n`);
  if (error instanceof GatewayError && code === 'log_fork')
    process.stderr.write(waysOut(error, homeForAdvice));
  if (!(error instanceof GatewayError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
