// The tests a user runs: Solidity's own, then vitest, then one line that counts both.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const results = join(root, 'test-results');
mkdirSync(results, { recursive: true });
const chosen = process.argv.slice(2);

interface Counted {
  passed: number;
  failed: number;
  skipped: number;
}

const solidity = chosen.length > 0 ? { passed: 0, failed: 0, skipped: 0 } : runSolidity();
const vitest = runVitest();
const sum = (key: keyof Counted): number => solidity[key] + vitest[key];
process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped\n`);
process.exitCode = sum('failed') > 0 || sum('passed') === 0 ? 1 : 0;

/** Hardhat's runner: unit, fuzz and invariant tests written in Solidity. */
function runSolidity(): Counted {
  const cli = join(root, 'node_modules', 'hardhat', 'dist', 'src', 'cli.js');
  const run = spawnSync(process.execPath, [cli, 'test', 'solidity'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true' },
    timeout: 300_000,
  });
  const text = `${run.stdout}${run.stderr}`;
  process.stdout.write(text);
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(text)?.[1] ?? 0);
  const passed = count('passing');
  const failed = count('failing');
  // A runner that could not start has failed, whatever it counted.
  return { passed, failed: run.status === 0 ? failed : Math.max(failed, 1), skipped: 0 };
}

function runVitest(): Counted {
  const report = join(results, 'vitest.json');
  rmSync(report, { force: true });
  const cli = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const run = spawnSync(
    process.execPath,
    [
      cli,
      'run',
      '--config',
      'test/vitest.config.ts',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...chosen,
    ],
    { cwd: root, stdio: 'inherit', timeout: 1_200_000 },
  );
  try {
    const { numPassedTests, numFailedTests, numPendingTests, success } = JSON.parse(
      readFileSync(report, 'utf8'),
    ) as {
      numPassedTests: number;
      numFailedTests: number;
      numPendingTests: number;
      success: boolean;
    };
    const failed = run.status === 0 && success ? numFailedTests : Math.max(numFailedTests, 1);
    return { passed: numPassedTests, failed, skipped: numPendingTests };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
