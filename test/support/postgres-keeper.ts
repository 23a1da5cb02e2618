// Runs a PostgreSQL server in a folder for as long as the process that asked for it lives. Started detached:
//   node postgres-keeper.ts FOLDER BIN PID [SETTING=VALUE ...]
// Writes FOLDER/url once the server answers, or FOLDER/failed with the reason; stops it when FOLDER/stop appears.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';

const [folder = '', bin = '', pid = '0', ...settings] = process.argv.slice(2);
const data = join(folder, 'data');

function fail(reason: string): never {
  writeFileSync(join(folder, 'failed'), reason);
  process.exit(1);
}

/** initdb and postgres refuse root: then they run as a user who may do nothing else. */
function runAs(): { uid: number; gid: number } | object {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const id = (flag: string): number =>
      Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim() || Number.NaN);
    const [uid, gid] = [id('-u'), id('-g')];
    if (Number.isInteger(uid) && Number.isInteger(gid)) return { uid, gid };
  }
  return fail('initdb refuses root, and there is neither a user postgres nor nobody');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : fail('no free port');
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const user = runAs();
mkdirSync(data);
if ('uid' in user) chownSync(data, user.uid, user.gid);
// The folder above is made readable by its owner alone.
chmodSync(folder, 0o711);
const made = spawnSync(
  join(bin, 'initdb'),
  [
    '-D',
    data,
    '-U',
    'assent',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
  ],
  { ...user, cwd: data, encoding: 'utf8' },
);
if (made.status !== 0) fail(`initdb: ${made.stderr}`);
const port = await freePort();
const url = `postgres://assent@127.0.0.1:${port}/postgres`;
const server = spawn(
  join(bin, 'postgres'),
  ['-D', data, '-p', String(port)].concat(
    ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings].flatMap((setting) => [
      '-c',
      setting,
    ]),
  ),
  { ...user, cwd: data, stdio: 'ignore' },
);
server.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
for (let tries = 0; !(await answers(url)); tries++) {
  if (tries > 100) {
    server.kill('SIGQUIT');
    fail('the server does not answer');
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
writeFileSync(join(folder, 'url.new'), url);
renameSync(join(folder, 'url.new'), join(folder, 'url'));

/** Whoever asked may have been killed: nobody would stop the server then. */
function isWanted(): boolean {
  if (existsSync(join(folder, 'stop'))) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}
setInterval(() => {
  // Fast shutdown: sessions are ended, nothing is left behind.
  if (!isWanted()) server.kill('SIGINT');
}, 200);
