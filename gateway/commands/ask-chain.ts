// Asks a chain, named by the one who checks, about the anchor of a bundle. Signs and sends nothing.
import type { AnchorToCheck, ChainCheck, Finality, TrustedChain } from '../audit/verify.ts';
import type { FinalityRule } from '../chain/chain.ts';
import { checkAnchorOnChain, type EvmTarget, openEvmChain } from '../chain/evm.ts';

// Opening a chain wants a key to sign with; a reader signs nothing, so a public one will do.
const nobodysKey = `0x${'01'.repeat(32)}`;

/**
 * Looks for the anchor in the trusted contract, and whether its block is final by the trust file's rule.
 *
 * @throws GatewayError `chain_unavailable` when the chain cannot be asked; that is no verdict
 * @throws GatewayError `config_invalid` when the address is not an http(s) URL
 */
export async function askChain(
  target: EvmTarget,
  trusted: TrustedChain,
  anchor: AnchorToCheck,
): Promise<ChainCheck> {
  const { logId } = anchor;
  const verdict = await checkAnchorOnChain({ ...target, trust: trusted, logId, anchor });
  const { block } = verdict;
  if (!verdict.ok || block === undefined) return { ok: false, check: verdict.check, detail: verdict.detail };

  const chain = await openEvmChain({
    ...target,
    contractAddress: trusted.contract,
    submitterKey: nobodysKey,
    finality: ruleOf(trusted.finality),
  });
  // Whoever rebuilds a chain can put other code, that announces anything, at the same address.
  const { codeHash } = await chain.identity();
  if (codeHash !== trusted.codeHash) {
    return {
      ok: false,
      check: 'code',
      detail: `the contract's code is ${codeHash}, trusted is ${trusted.codeHash}`,
    };
  }
  const head = await chain.head(logId);
  if (
    head === undefined ||
    head.size < anchor.size ||
    (head.size === anchor.size && head.root !== anchor.root)
  ) {
    return { ok: false, check: 'head', detail: 'the contract does not stand by this anchor' };
  }
  const final = await chain.isFinal({
    state: 'mined',
    blockNumber: block.number,
    blockHash: block.hash,
    gasUsed: 0,
    costWei: 0n,
  });
  return { ok: true, check: verdict.check, detail: verdict.detail, final };
}

/**
 * The head the trusted contract holds now; undefined when it holds none.
 *
 * @throws GatewayError as `askChain`
 */
export async function askHead(
  target: EvmTarget,
  trusted: TrustedChain,
  logId: string,
): Promise<{ readonly size: number; readonly root: string } | ChainCheck | undefined> {
  const chain = await openEvmChain({
    ...target,
    contractAddress: trusted.contract,
    submitterKey: nobodysKey,
    finality: ruleOf(trusted.finality),
  });
  const found = await chain.identity();
  for (const name of ['chainId', 'genesisHash', 'contract', 'codeHash'] as const) {
    if (found[name] !== trusted[name])
      return { ok: false, check: name, detail: `it is ${found[name]}, trusted is ${trusted[name]}` };
  }
  return chain.head(logId);
}

function ruleOf(finality: Finality): FinalityRule {
  switch (finality) {
    case 'local':
    case 'instant':
      return { kind: finality };
    case 'finalized':
    case 'safe':
      return { kind: 'tag', tag: finality };
    default:
      return { kind: 'confirmations', blocks: Number(finality.slice('confirmations:'.length)) };
  }
}
