// How gateways on one database take turns.

/** Key of an advisory lock, under a class so that it meets no other program's: pg_advisory_lock(class, key). */
export const locks = { class: 0x41_73_73_65, schema: 2 } as const;

/**
 * Lets one transaction write at a time, over all processes; readers go on. A lock on a table, because whoever waits
 * for it holds no snapshot. One who waits inside SELECT pg_advisory_xact_lock() does, and every row that others delete
 * meanwhile is kept for it: a cleaning beside two busy gateways would never end.
 */
export const takeWriterLock = 'LOCK TABLE schema_version IN EXCLUSIVE MODE';
