// A store that is away, as callers meet it: put into the running gateway between it and its real store.
import type { Store, Tx } from '../../gateway/store/store.ts';
import { GatewayError } from '../../gateway/errors.ts';

/**
 * `did nothing`: the connection was gone before the work. `did it`: it was gone after the commit, so the work is done
 * and nobody was told. `hangs`: no answer at all. `reads fail`: what SQLite says of a file it cannot read.
 */
export type Fault = 'did nothing' | 'did it' | 'hangs' | 'reads fail';

export interface FaultyStore {
  /** Until `mend`; `writes` lets so many pass first. */
  breakDown(fault: Fault, writes?: number): void;
  mend(): void;
}

export function makeFaulty(store: Store): FaultyStore {
  const real = { write: store.write.bind(store), read: store.read.bind(store) };
  let fault: Fault | undefined;
  let passing = 0;
  const away = () => new GatewayError('store_unavailable', 'the connection was lost');
  const faulty: Pick<Store, 'write' | 'read'> = {
    async write<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
      if (fault === undefined || fault === 'reads fail') return real.write(work);
      if (passing > 0) {
        passing -= 1;
        return real.write(work);
      }
      if (fault === 'hangs') return new Promise<never>(() => undefined);
      // Nobody hears that it became durable.
      if (fault === 'did it') await real.write((tx) => work({ ...tx, afterDurable: () => undefined }));
      throw away();
    },
    async read(work) {
      if (fault === 'hangs') return new Promise<never>(() => undefined);
      if (fault === 'reads fail')
        throw Object.assign(new Error('disk I/O error'), { name: 'SqliteError', code: 'SQLITE_IOERR_READ' });
      return real.read(work);
    },
  };
  Object.assign(store, faulty);
  return {
    breakDown(next, writes = 0) {
      fault = next;
      passing = writes;
    },
    mend: () => void (fault = undefined),
  };
}
