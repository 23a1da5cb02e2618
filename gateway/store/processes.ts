// What a process knows of others on the same data: whether it leads them, and which of them are gone. Knows no database.

/** The leader alone publishes, asks witnesses and anchors. */
export interface Leadership {
  /** Whether this process leads at this moment. */
  isLeader(): boolean;
  /** Runs `work` if this process leads, else returns undefined at once. A command leads for that long only. */
  asLeader<Result>(work: () => Promise<Result>): Promise<{ readonly value: Result } | undefined>;
  /** Hears when this process begins or ceases to lead, up to a second later than `isLeader` says so. */
  onChange(listener: (leads: boolean) => void): void;
  /** Lets another process lead. */
  close(): Promise<void>;
}

/** Where one process has the data to itself, it leads. */
export const alwaysLeader: Leadership = {
  isLeader: () => true,
  asLeader: async (work) => ({ value: await work() }),
  onChange: () => undefined,
  close: async () => undefined,
};

export interface Presence {
  /** Number under which this process notes what it begins; null where one process has the data to itself. */
  number(): Promise<number | null>;
  /** Of these numbers, those of processes that are gone. */
  gone(numbers: ReadonlySet<number>): Promise<ReadonlySet<number>>;
  close(): Promise<void>;
}

/** For data that one process has to itself: what it did not begin, nobody does. */
export const onlyOne: Presence = {
  number: async () => null,
  gone: async (numbers) => numbers,
  close: async () => undefined,
};
