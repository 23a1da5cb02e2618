// Which advisory locks of the database mean what to gateways.

/** Keys of advisory locks, under one class so that they meet no other program's: pg_advisory_lock(class, key). */
export const locks = { class: 0x41_73_73_65, writer: 1, schema: 2 } as const;
