// Exact ratios of integers, and decimal text read as one. "0.1" is 1/10 here; the double 0.1 is not.
import { EngineError } from '../types.ts';

/** numerator / denominator in lowest terms, denominator > 0. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** @throws EngineError `invalid_argument` when the denominator is 0 */
export function ratio(numerator: bigint, denominator = 1n): Rational {
  if (denominator === 0n) throw new EngineError('invalid_argument', 'A ratio with denominator 0');
  const sign = denominator < 0n ? -1n : 1n;
  const divisor = greatestCommonDivisor(numerator < 0n ? -numerator : numerator, denominator * sign);
  return { numerator: (numerator * sign) / divisor, denominator: (denominator * sign) / divisor };
}

const MAX_TEXT_LENGTH = 40;
const MAX_EXPONENT = 40;

/**
 * Reads a decimal ("12", "0.05", "1e-6") exactly.
 *
 * @throws EngineError `invalid_argument` for anything else, and beyond 40 characters or exponents of ±40
 */
export function parseDecimal(text: string): Rational {
  const match =
    text.length > MAX_TEXT_LENGTH ? null : /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
  if (match === null) throw new EngineError('invalid_argument', 'Not a decimal number');
  const fraction = match[3] ?? '';
  const exponent = Number(match[4] ?? '0') - fraction.length;
  if (Math.abs(exponent) > MAX_EXPONENT) throw new EngineError('invalid_argument', 'Exponent beyond ±40');
  const digits = BigInt(`${match[2]}${fraction}`) * (match[1] === '-' ? -1n : 1n);
  return exponent >= 0 ? ratio(digits * 10n ** BigInt(exponent)) : ratio(digits, 10n ** BigInt(-exponent));
}

export function multiply(a: Rational, b: Rational): Rational {
  return ratio(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function divide(a: Rational, b: Rational): Rational {
  return ratio(a.numerator * b.denominator, a.denominator * b.numerator);
}

/** Negative, zero or positive, as a is below, equal to or above b. */
export function compare(a: Rational, b: Rational): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The smallest integer not below the ratio. */
export function ceiling(value: Rational): bigint {
  const quotient = value.numerator / value.denominator;
  return quotient * value.denominator < value.numerator ? quotient + 1n : quotient;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [larger, smaller] = [a, b];
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
