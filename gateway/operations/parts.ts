// What operations are given. They never get the store's writer: everything they change goes through the gate.
import type { Keyring } from '../audit/keys.ts';
import type { Log } from '../audit/log.ts';
import type { Config } from '../config.ts';
import type { Gate } from '../gate.ts';
import type { ErasedList } from '../rights/erased-list.ts';
import type { Store } from '../store/store.ts';
import type { System } from '../system.ts';

export interface OperationParts {
  readonly gate: Gate;
  readonly keyring: Keyring;
  readonly log: Log;
  /** Committed rows, for what needs no entry and for long computations with permits. */
  readonly read: Store['read'];
  readonly system: System;
  readonly config: Config;
  /** Secret that chooses which groups of one person count in a private query. */
  readonly boundingKey: Uint8Array;
  /** Who was erased, in a file that a restore leaves. */
  readonly erased: ErasedList;
  /**
   * Rewrites the database's files if something was deleted since they were last rewritten; see `rights/clean.ts`. Everybody
   * waits meanwhile: never within a request. False when that has to wait.
   */
  readonly clean: () => Promise<boolean>;
}
