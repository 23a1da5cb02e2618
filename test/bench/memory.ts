// Memory that is still held once all garbage is gone.
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const collect: () => void = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** Heap and buffers, and the whole process, in bytes. */
export async function heldMemory(): Promise<{ bytes: number; rss: number }> {
  // Buffers are given back in the background after a collection: the second one finds them gone.
  collect();
  await pause(50);
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { bytes: heapUsed + external, rss };
}
