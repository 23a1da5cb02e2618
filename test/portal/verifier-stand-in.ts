// Stands in for the verifier where only the look of its answers matters: same shape, no arithmetic.
export const verifierStandIn = `
const names = ['format', 'trust', 'leaf', 'payload', 'checkpoint signature', 'checkpoint', 'inclusion', 'anchor identity', 'anchor consistency', 'seal'];
export function verifyBundle(bundle) {
  const changed = new TextDecoder().decode(bundle).includes('A');
  const bad = changed ? ['inclusion', 'seal'] : [];
  const checks = names.map((name) => ({ name, ok: !bad.includes(name), detail: bad.includes(name) ? 'the path does not lead from this leaf to this head' : 'ok' }));
  const level = (state, words) => ({ state, check: 'seal', words });
  return {
    verdict: changed ? 'does-not-hold' : 'holds',
    ...(changed ? { firstFailing: 'inclusion' } : {}),
    levels: {
      recorded: changed ? level('fails', 'failed') : level('holds', 'recorded'),
      checkpointed: changed ? level('fails', 'failed') : level('holds', 'checkpointed'),
      witnessed: changed ? level('fails', 'failed') : level('absent', 'no-witnesses'),
      anchored: changed ? level('fails', 'failed') : level('not-checked', 'chain-not-asked'),
      anchoredFinal: changed ? level('fails', 'failed') : level('absent', 'local-chain-never-final'),
    },
    checks,
    payload: { operation: 'read-data', outcome: 'refused', reason: 'switch_off' },
    erased: false,
  };
}
`;
