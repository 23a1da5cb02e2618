// Set-up for a fresh clone: `node gateway/setup.mjs PROGRAM [ARGUMENTS]`.
//
// 1. finds Node 24 (this one when new enough, else the script-free npm package that carries its binary);
// 2. installs the packages of the lock file with it, unless a stamp says that was done;
// 3. runs PROGRAM with that binary, passing signals on.
//
// Built-ins only, and plain JavaScript: it runs under Node 20, before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [program, ...programArguments] = process.argv.slice(2);
const neededMajor = 24;
const neededMinor = 12; // type stripping is stable from 24.12 on

if (program === undefined) stop(2, 'usage: node gateway/setup.mjs PROGRAM [ARGUMENTS]');
const node = findNode();
await installPackages();
runProgram();

/** Path of a Node binary with the needed major version. */
function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return process.execPath;
  const stamp = join(root, 'node_modules', '.assent-node');
  if (existsSync(stamp)) {
    const known = readFileSync(stamp, 'utf8').trim();
    if (existsSync(known)) return known;
  }
  say(`Node ${process.versions.node} is here; fetching Node ${neededMajor} from npm (about 10 s, once)`);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const fetched = runNpm(process.execPath, [
    'exec',
    '--yes',
    `--package=node-${platform}-${process.arch}@${neededMajor}`,
    '--',
    'node',
    '-p',
    'process.execPath',
  ]);
  const path = fetched.stdout.trim().split('\n').at(-1);
  if (fetched.status !== 0 || path === undefined || !existsSync(path)) {
    stop(
      1,
      `could not fetch Node ${neededMajor} from npm:\n${fetched.stderr}\nInstall Node ${neededMajor} or newer and try again.`,
    );
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, path + '\n');
  return path;
}

/**
 * Installs what the lock file names. `--ignore-scripts`: no package runs code at install; the native ones
 * carry their binaries. Not `npm ci`: it fails where the registry lacks an optional package of another platform.
 */
async function installPackages() {
  const stamp = join(root, 'node_modules', '.assent-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(readFileSync(join(root, 'package.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing packages (half a minute or more, once)');
  const begun = process.hrtime.bigint();
  const seconds = () => Math.round(Number(process.hrtime.bigint() - begun) / 1e9);
  const [command, given, options] = npmCommand(node, [
    'install',
    '--ignore-scripts',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  const child = spawn(command, given, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
  const beat = setInterval(() => say(`still installing (${seconds()} s)`), 10_000);
  const status = await new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', resolve);
  });
  clearInterval(beat);
  if (status !== 0) stop(1, 'npm install failed; its own message is above. Nothing was started.');
  writeFileSync(stamp, wanted);
  // npm may have pruned the note of where Node is, so it is written again.
  if (node !== process.execPath) writeFileSync(join(root, 'node_modules', '.assent-node'), node + '\n');
  say(`packages installed in ${seconds()} s`);
}

function runProgram() {
  const child = spawn(
    node,
    ['--disable-warning=ExperimentalWarning', resolveProgram(program), ...programArguments],
    {
      cwd: process.cwd(),
      stdio: 'inherit',
      env: {
        ...process.env,
        PATH: `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`,
      },
    },
  );
  // A terminal sends Ctrl-C to both processes; passing it on as well would count as a second, impatient one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('error', (error) => stop(1, `could not start ${program}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

function resolveProgram(path) {
  return resolve(root, path);
}

/** Runs npm and waits for its output. */
function runNpm(withNode, npmArguments) {
  const [command, given, options] = npmCommand(withNode, npmArguments);
  return spawnSync(command, given, { ...options, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** npm's own JavaScript with the given Node, so that packages with native parts are chosen for it. */
function npmCommand(withNode, npmArguments) {
  const script = [
    process.env.npm_execpath,
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ].find((path) => path !== undefined && path.endsWith('.js') && existsSync(path));
  return script === undefined
    ? ['npm', npmArguments, { cwd: root, shell: process.platform === 'win32' }]
    : [withNode, [script, ...npmArguments], { cwd: root }];
}

function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}

function stop(code, text) {
  process.stderr.write(`set-up: ${text}\n`);
  process.exit(code);
}
