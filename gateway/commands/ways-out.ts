// What to do when the log contradicts what is known of it: said wherever a start or a command is refused for that.
import type { GatewayError } from '../errors.ts';

/** Details of a `log_fork`: who contradicts, and the sizes on both sides. */
export interface ForkDetails {
  /** `checkpoint`: a head that this folder itself holds. */
  readonly contradicts: 'chain' | 'witness' | 'checkpoint';
  /** Entries held here. */
  readonly held: number;
  /** Size of the head known there. */
  readonly known: number;
}

/** The details, where the error has them. */
export function forkDetails(error: GatewayError): ForkDetails | undefined {
  const { contradicts, held, known } = error.details;
  const isComplete = typeof held === 'number' && typeof known === 'number';
  if (!isComplete || (contradicts !== 'chain' && contradicts !== 'witness' && contradicts !== 'checkpoint'))
    return undefined;
  return { contradicts, held, known };
}

const places = {
  chain: 'the chain',
  witness: 'a witness',
  checkpoint: 'a head that was signed in this very folder',
} as const;

/** Lines for people. */
export function waysOut(error: GatewayError, home: string): string {
  const details = forkDetails(error);
  const lines = ['Entries that were signed are missing here or were changed.'];
  if (details !== undefined) {
    lines.push(
      `What contradicts this folder: ${places[details.contradicts]}. Known there: a head of ${details.known} entries; held here: ${details.held}.`,
    );
  }
  lines.push(
    'Either an old backup was put back, or the data was changed outside the gateway. Ways out:',
    `  - restore the newest backup:         assent restore FILE --replace --home ${home}`,
    '  - or put the newest data folder back as it was',
  );
  if (details !== undefined && details.contradicts !== 'checkpoint') {
    lines.push(
      `  - or, if what is missing is lost for good, go on under a new log name, with the loss on the record:`,
      `                                       assent restore --accept-loss NEW-LOG-NAME --home ${home}`,
    );
  } else {
    lines.push('What lies in this folder contradicts itself, so it cannot go on as it is, under any name.');
  }
  lines.push('Whoever holds the trust file and a later head will see the difference.');
  return `${lines.join('\n')}\n`;
}
