// The compiler is the npm package `solc`, taken from disk: building contracts needs no network.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { defineConfig } from 'hardhat/config';

const require = createRequire(import.meta.url);

export default defineConfig({
  solidity: {
    version: '0.8.37',
    path: require.resolve('solc/soljson.js'),
    settings: {
      // An anchor runs every few minutes for years; deployment happens once.
      optimizer: { enabled: true, runs: 100_000 },
      viaIR: true,
      // The oldest rules all our chains share; consortium networks adopt newer ones late.
      evmVersion: 'cancun',
      // Without the metadata hash the bytecode depends on the code only, not on comments or paths.
      metadata: { bytecodeHash: 'none' },
    },
  },
  paths: {
    sources: join(import.meta.dirname, 'contracts'),
    artifacts: join(import.meta.dirname, 'artifacts'),
    cache: join(import.meta.dirname, 'cache'),
    tests: { solidity: join(import.meta.dirname, 'contracts') },
  },
  test: {
    solidity: {
      // A fixed seed: a failure seen once can be seen again.
      fuzz: { runs: 256, seed: '0xa55e47' },
      invariant: { runs: 32, depth: 64, failOnRevert: false },
    },
  },
});
