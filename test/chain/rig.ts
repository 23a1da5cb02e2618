// A local chain in a folder of its own, with the contract deployed, as the gateway starts it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chain, HeadToAnchor, MinedReceipt } from '../../gateway/chain/chain.ts';
import { loadArtifact } from '../../gateway/chain/compile.ts';
import { addressOfKey, deployAnchor, openEvmChain } from '../../gateway/chain/evm.ts';
import { type LocalChain, openLocalChain } from '../../gateway/chain/local.ts';
import { handClock } from '../../gateway/system.ts';
import { consistencyProof, hex, type RootOf, sha256Hex } from './oracle.ts';

export const submitterKey = `0x${'5b'.repeat(32)}`;
export const strangerKey = `0x${'77'.repeat(32)}`;
export const logId = sha256Hex('log.example/audit');
export const initialDate = '2026-01-01T00:00:00.000Z';
export const clock = handClock(Date.parse('2026-03-01T12:00:00Z'));

const folders: string[] = [];

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-chain-'));
  folders.push(folder);
  return folder;
}

export async function removeFolders(): Promise<void> {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
}

export function startChain(folder: string, port?: number): Promise<LocalChain> {
  const accountKeys = [submitterKey, strangerKey];
  return openLocalChain({ folder, accountKeys, initialDate, clock, ...(port === undefined ? {} : { port }) });
}

export async function deploy(local: LocalChain): Promise<{ contract: string; chain: Chain }> {
  const { contract } = await openLog(local, logId);
  return { contract, chain: await openSubmitter(local, contract) };
}

/** Deploys the contract unless that is done, and lets the submitter anchor this log. */
export async function openLog(local: LocalChain, id: string): Promise<{ contract: string }> {
  return deployAnchor({
    provider: local.provider,
    adminKey: submitterKey,
    artifact: await loadArtifact(),
    logId: id,
    submitter: addressOfKey(submitterKey),
  });
}

export function openSubmitter(
  local: LocalChain,
  contractAddress: string,
  key = submitterKey,
): Promise<Chain> {
  return openEvmChain({
    provider: local.provider,
    contractAddress,
    submitterKey: key,
    finality: { kind: 'instant' },
  });
}

export function headOf(root: RootOf, size: number, id = logId): HeadToAnchor {
  return { logId: id, size, root: hex(root(0, size)), checkpointHash: sha256Hex(`note ${size}`) };
}

/** Anchors a head and waits for its block; a reverted transaction is an answer, a refused one an error. */
export async function anchor(
  chain: Chain,
  head: HeadToAnchor,
  proof: readonly string[],
): Promise<MinedReceipt & { hash: string }> {
  const signed = await chain.sign(head, proof, await chain.nextNonce(), await chain.suggestFees());
  const { result, message } = await chain.broadcast(signed.rawTransaction);
  if (result !== 'accepted') throw new Error(`${result}: ${message}`);
  const receipt = await chain.receipt(signed.hash);
  if (receipt === undefined || receipt.state === 'pending') throw new Error('not mined');
  return { ...receipt, hash: signed.hash };
}

/** Anchors this history's head of a size, with the proof from the stored head. */
export async function extend(chain: Chain, root: RootOf, size: number, id = logId) {
  const stored = await chain.head(id);
  return anchor(chain, headOf(root, size, id), consistencyProof(root, stored?.size ?? 0, size));
}
