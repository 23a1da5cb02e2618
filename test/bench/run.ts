// npm run bench -- NAME: measures, prints, asserts nothing. Figures are ratios against a yardstick in the same run.
import { cpus, totalmem } from 'node:os';
import { versions } from 'node:process';

const benches = {
  gate: () => import('./gate.ts'),
  log: () => import('./log.ts'),
  merkle: () => import('./merkle.ts'),
  person: () => import('./person.ts'),
} as const;

const [name = '', ...options] = process.argv.slice(2);
const load = Object.hasOwn(benches, name) ? benches[name as keyof typeof benches] : undefined;
if (load === undefined) {
  process.stderr.write(`npm run bench -- NAME, where NAME is one of: ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}
const [cpu] = cpus();
process.stdout.write(
  `${name}: ${cpu?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${versions.node}\n\n`,
);
const { bench } = await load();
await bench(options);
