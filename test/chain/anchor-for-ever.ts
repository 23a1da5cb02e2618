// A process that anchors until it is killed; says which transactions the chain took. Started by local.test.ts.
import { consistencyProof, distinctLeaves } from './oracle.ts';
import { anchor, deploy, headOf, startChain } from './rig.ts';

const local = await startChain(process.argv[2]!);
const { chain } = await deploy(local);
const root = distinctLeaves('a');
for (let size = 1; size < 100_000; size++) {
  const { hash, blockHash } = await anchor(chain, headOf(root, size), consistencyProof(root, size - 1, size));
  process.stdout.write(`${hash} ${blockHash}\n`);
}
