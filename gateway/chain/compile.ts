// Builds the contract with Hardhat and the npm compiler, offline, and only when its sources changed.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GatewayError } from '../errors.ts';

/** The compiled contract. Codes are 0x texts; the contract has no immutables, so `deployedBytecode` is final. */
export interface Artifact {
  abi: readonly unknown[];
  bytecode: string;
  deployedBytecode: string;
}

/** The folder that holds `contracts/` and `hardhat.config.ts`. */
export const projectRoot = resolve(import.meta.dirname, '..', '..');

/** The compiled AuditAnchor, built first if that was not done yet for these sources. */
export async function loadArtifact(root = projectRoot): Promise<Artifact> {
  return JSON.parse(await readFile(await compileContracts(root), 'utf8')) as Artifact;
}

/**
 * Builds the contract unless a build of exactly these sources, settings and compiler exists. Two processes may
 * do this at once: each builds in a folder of its own, and the finished file appears whole.
 *
 * @returns path of the artifact; its name holds the hash of what it was built from
 */
export async function compileContracts(root = projectRoot): Promise<string> {
  const folder = join(root, 'cache', 'anchor');
  const target = join(folder, `AuditAnchor-${await hashSources(root)}.json`);
  if (await readFile(target).catch(() => undefined)) return target;

  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, 'build-'));
  try {
    const artifact = await build(root, scratch);
    const finished = join(scratch, 'finished.json');
    await writeFile(finished, JSON.stringify(artifact));
    await rename(finished, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

const sources = ['contracts/AuditAnchor.sol', 'contracts/IAuditAnchor.sol', 'hardhat.config.ts'];

async function hashSources(root: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...sources.map((name) => join(root, name)), solcManifest()]) {
    hash.update(
      createHash('sha256')
        .update(await readFile(file))
        .digest(),
    );
  }
  return hash.digest('hex').slice(0, 32);
}

function solcManifest(): string {
  return createRequire(import.meta.url).resolve('solc/package.json');
}

async function build(root: string, scratch: string): Promise<Artifact> {
  // Loaded only here: with an artifact on disk, start-up does not pay for Hardhat's build system.
  const { createHardhatRuntimeEnvironment, importUserConfig } = await import('hardhat/hre');
  const config = await importUserConfig(join(root, 'hardhat.config.ts'));
  const paths = { ...config.paths, artifacts: join(scratch, 'artifacts'), cache: join(scratch, 'cache') };
  const hre = await createHardhatRuntimeEnvironment({ ...config, paths }, {}, root);
  const source = join(root, 'contracts', 'AuditAnchor.sol');
  const results = await hre.solidity.build([source], { quiet: true });
  const failed =
    !(results instanceof Map) || [...results.values()].some((result) => !result.type.endsWith('SUCCESS'));
  if (failed) {
    throw new GatewayError('internal', 'The contract does not compile; `npm run contracts` shows why');
  }
  const path = join(scratch, 'artifacts', 'contracts', 'AuditAnchor.sol', 'AuditAnchor.json');
  const { abi, bytecode, deployedBytecode } = JSON.parse(await readFile(path, 'utf8')) as Artifact;
  return { abi, bytecode, deployedBytecode };
}
