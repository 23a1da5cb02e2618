// assent: one command a task. Exit codes: 0 done, or it holds; 1 checked, and it does not hold; 2 usage or I/O.
// `verify` has two more: 3 well made, but contradicts a head that was kept; 4 holds, but is not anchored yet.
//
// Each command imports what it needs and no more: a proof is checked without loading a database or a chain.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { need, parse, report, say, Usage, type Values } from './commands/order.ts';
import { waysOut } from './commands/ways-out.ts';
import { loadConfig } from './config.ts';
import { GatewayError } from './errors.ts';

const usage = `assent COMMAND

  import --source NAME --basis BASIS --movielens DIR      load MovieLens-100K
  import --source NAME --basis BASIS --map MAP.json FILE  load a CSV or NDJSON file; MAP.json says which column is what
  import --consents FILE                                  load existing consent records (CSV or NDJSON)
  train                                                   train the recommender on those who allow it
  invite REFERENCE                                        one-time code that links a sign-up to a person's records
  erase REFERENCE [RECEIPT.json]                          erase a person who asked by another way than the portal
  staff add ROLE NAME                                     add an officer, analyst or operator (password on stdin)
  staff token NAME                                        a token for scripts, such as an analyst's queries
  partner add ID NAME --redirect URL --scope SCOPE ...    register a partner app; prints its secret once
  trust export [FILE]                                     write the trust file; keep it away from this machine
  verify FILE --trust FILE [--rpc URL] [--language zh]    check a bundle, evidence, a pack or a receipt offline
         [--state FILE] [--log URL|FOLDER]                compare with the heads you kept, and keep this one; with
                                                          --rpc and --log also what was made before its anchor
         [--earlier FILE] [--report FILE.html]            go on from an earlier bundle; a report to print
  replay URL|FOLDER --trust FILE [--token-file FILE]      read a whole log and build it again; - is standard input
         [--mirror FOLDER]                                keep what was read, to replay it offline
  bundle --person REFERENCE [--since EARLIER] FILE        everything about a person, and that nothing is missing
  bundle --entry NUMBER [--tlog-proof] FILE               the proof of one entry (officer's token on stdin for both)
  evidence --person REFERENCE [--hold ID]|--partner ID|--purpose P [--from TIME] [--to TIME] FILE.zip
  evidence --from TIME --to TIME FILE.zip                 an archive for an authority (officer's token on stdin)
  backup FILE                                             copy all data into one new file, also beside a running gateway
  backup --keys FILE                                      lock the keys with a passphrase (stdin) into a file of their own
  restore FILE [--replace]                                check a backup and put it into the data folder
  restore --keys FILE                                     put the keys back (passphrase on stdin)
  restore --accept-loss NEW-LOG-NAME                      go on after a loss: a new log name, the loss on the record
  migrate [--check]                                       bring the database to this program's schema, or look only
  witness --home DIR --name NAME --log KEY ... [--port N] cosign the heads of other people's logs (--logs FILE: keys in a file)
  demo tamper [FOLDER]                                    delete an entry from a copy of the data, to see it found
  demo-partner [URL]                                      run the demo partner against a running gateway

  --home DIR   data folder (default: ASSENT_HOME or ./data)      --json   answer for programs

BASIS: consent, contract, legal-obligation, legitimate-interest`;

async function main(given: string[]): Promise<number> {
  const { values, positionals } = parse(given);
  const [command, ...rest] = positionals;
  if (values.help === true || command === undefined) {
    say(usage);
    return command === undefined && values.help !== true ? 2 : 0;
  }
  switch (command) {
    case 'verify':
      return verify(rest, values);
    case 'replay':
      return replay(rest, values);
    case 'import':
    case 'train':
    case 'invite':
    case 'erase':
    case 'staff':
    case 'partner':
    case 'trust': {
      const config = loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) });
      const { runOnData } = await import('./commands/on-data.ts');
      return runOnData(command, config, rest, values);
    }
    case 'bundle': {
      const { runBundle } = await import('./commands/bundle.ts');
      return runBundle(loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) }), rest, values);
    }
    case 'evidence': {
      const { runEvidence } = await import('./commands/evidence.ts');
      return runEvidence(loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) }), rest, values);
    }
    case 'backup': {
      const { runBackup } = await import('./commands/backup.ts');
      return runBackup(loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) }), rest, values);
    }
    case 'restore': {
      const { runRestore } = await import('./commands/restore.ts');
      return runRestore(loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) }), rest, values);
    }
    case 'migrate': {
      const { runMigrate } = await import('./commands/migrate.ts');
      return runMigrate(loadConfig({ ...process.env, ASSENT_HOME: homeOf(values) }), rest, values);
    }
    case 'witness':
      return witness(rest, values);
    case 'demo':
      if (rest[0] !== 'tamper') throw new Usage('demo tamper [FOLDER]');
      return tamper(rest[1], values);
    case 'demo-partner': {
      const { runDemoPartner } = await import('./demo/partner-client.ts');
      return runDemoPartner({
        home: homeOf(values),
        url: rest[0] ?? 'http://127.0.0.1:8080',
        say: (line) => report(values, { said: line }, [line]),
      });
    }
    default:
      throw new Usage(`there is no command ${command}`);
  }
}

async function verify(rest: readonly string[], values: Values): Promise<number> {
  const { verifyFiles } = await import('./commands/verify-files.ts');
  const { realSystem } = await import('./system.ts');
  const result = await verifyFiles(rest, values, realSystem.clock.nowMs());
  report(values, result.json, result.lines);
  return result.exitCode;
}

async function witness(rest: readonly string[], values: Values): Promise<number> {
  if (rest.length > 0) throw new Usage('witness --home DIR --name NAME --log KEY');
  const port = Number(values.port ?? 7380);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Usage('--port is a number up to 65535');
  const { startWitness } = await import('./commands/witness.ts');
  const { realSystem } = await import('./system.ts');
  const running = await startWitness(
    {
      home: resolve(need(values.home, '--home DIR: a folder of its own')),
      name: values.name,
      logs: values.log ?? [],
      logsFile: values.logs,
      host: values.host ?? '127.0.0.1',
      port,
    },
    realSystem,
    (line) => void process.stderr.write(`${line}\n`),
  );
  const { verifierKey, url, origins } = running;
  report(values, { verifierKey, url, origins }, [
    `witness ${verifierKey}`,
    `listens at ${url}`,
    `for ${origins.join(', ')}`,
  ]);
  await new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop());
  });
  await running.close();
  return 0;
}

async function replay(rest: readonly string[], values: Values): Promise<number> {
  const from = need(rest[0], 'the address of a gateway, or the folder of a mirror');
  const trustText = readFileSync(need(values.trust, '--trust FILE: the trust file you kept'));
  const tokenFile = values['token-file'];
  // Never an argument: others on this machine see those.
  const token =
    tokenFile === undefined ? undefined : readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8').trim();
  const { mirrored, openLogSource } = await import('./commands/log-source.ts');
  const { replayCommand } = await import('./commands/replay.ts');
  const source = openLogSource(from, token);
  const isWatched = values.json !== true && process.stderr.isTTY;
  const result = await replayCommand({
    source: values.mirror === undefined ? source : mirrored(source, values.mirror),
    trustText,
    progress: (done, total, what) => {
      if (isWatched)
        process.stderr.write(`\r${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${what} `);
    },
  });
  if (isWatched) process.stderr.write('\r\u001b[K');
  report(values, result.json, result.lines);
  return result.exitCode;
}

async function tamper(target: string | undefined, values: Values): Promise<number> {
  const home = homeOf(values);
  const { tamperCopy } = await import('./demo/tamper.ts');
  const { entry, folder } = await tamperCopy(home, resolve(target ?? `${home}-tampered`));
  report(values, { entry, folder }, [
    `copied ${home} to ${folder} and deleted entry ${entry} from the copy's database`,
    `now try: npm start -- --home ${folder} --port 8090`,
  ]);
  return 0;
}

function homeOf(values: Values): string {
  return resolve(values.home ?? process.env['ASSENT_HOME'] ?? 'data');
}

/** People get a sentence, programs (`--json`) an object; both on standard error. */
function explain(error: unknown): void {
  const isUsage =
    error instanceof Usage || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  const message = error instanceof Error ? error.message : 'failed';
  const code = error instanceof GatewayError ? error.code : isUsage ? 'usage' : 'failed';
  const details = error instanceof GatewayError ? error.details : {};
  if (process.argv.includes('--json')) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, ...details } })}\n`);
    return;
  }
  const more = Object.keys(details).length === 0 ? '' : ` ${JSON.stringify(details)}`;
  process.stderr.write(`assent${error instanceof GatewayError ? ` (${code})` : ''}: ${message}${more}\n`);
  if (isUsage) process.stderr.write('\nassent --help lists the commands\n');
  if (error instanceof GatewayError && error.code === 'log_fork')
    process.stderr.write(waysOut(error, homeOf(parse(process.argv.slice(2)).values)));
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    explain(error);
    process.exitCode = error instanceof GatewayError && error.code === 'log_fork' ? 1 : 2;
  },
);
