// Every small change of a JSON value: each member and element dropped, doubled, moved, emptied or replaced, each text
// and number altered. What a forger might try, without knowing what anything means.

export interface Mutant {
  /** Where, and what was done there. */
  readonly what: string;
  readonly value: unknown;
}

/** @param members names whose inside stays as it is */
export function* mutantsOf(value: unknown, members: readonly string[] = [], at = 'file'): Generator<Mutant> {
  yield* alterations(value, at);
  if (Array.isArray(value)) {
    const items = value as unknown[];
    for (const [i, item] of items.entries()) {
      const put = (...others: unknown[]): unknown[] => [
        ...items.slice(0, i),
        ...others,
        ...items.slice(i + 1),
      ];
      yield { what: `${at}[${i}] dropped`, value: put() };
      yield { what: `${at}[${i}] doubled`, value: put(item, item) };
      if (i + 1 < items.length) {
        const exchanged = [...items.slice(0, i), items[i + 1], item, ...items.slice(i + 2)];
        yield { what: `${at}[${i}] exchanged with the next`, value: exchanged };
        yield { what: `${at}[${i}] replaced by the next`, value: put(items[i + 1]) };
        yield { what: `${at} cut after ${i}`, value: items.slice(0, i) };
      }
      for (const inner of mutantsOf(item, members, `${at}[${i}]`))
        yield { ...inner, value: put(inner.value) };
    }
    yield { what: `${at} reversed`, value: items.toReversed() };
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const whole = value as Record<string, unknown>;
  for (const [name, item] of Object.entries(whole)) {
    const { [name]: _, ...rest } = whole;
    yield { what: `${at}.${name} dropped`, value: rest };
    yield { what: `${at}.${name} null`, value: { ...whole, [name]: null } };
    if (members.includes(name)) continue;
    for (const inner of mutantsOf(item, members, `${at}.${name}`))
      yield { ...inner, value: { ...whole, [name]: inner.value } };
    // A value from elsewhere of the same kind is the likeliest forgery.
    for (const [other, taken] of Object.entries(whole)) {
      if (other !== name && typeof taken === typeof item && typeof item !== 'object')
        yield { what: `${at}.${name} as ${other}`, value: { ...whole, [name]: taken } };
    }
  }
  yield { what: `${at} with one member more`, value: { ...whole, more: 1 } };
}

function* alterations(value: unknown, at: string): Generator<Mutant> {
  if (typeof value === 'number') {
    for (const other of [value + 1, value - 1, 0, -0.5, 2 ** 53, String(value)])
      if (other !== value) yield { what: `${at} is ${other}`, value: other };
  }
  if (typeof value === 'string') {
    yield { what: `${at} emptied`, value: '' };
    yield { what: `${at} longer`, value: `${value}A` };
    yield { what: `${at} shorter`, value: value.slice(0, -1) };
    for (const place of [0, Math.floor(value.length / 2), value.length - 3]) {
      const letter = value[place];
      if (letter === undefined) continue;
      const flipped = `${value.slice(0, place)}${letter === 'A' ? 'B' : 'A'}${value.slice(place + 1)}`;
      yield { what: `${at} with another letter at ${place}`, value: flipped };
    }
  }
  if (Array.isArray(value)) yield { what: `${at} emptied`, value: [] };
}
