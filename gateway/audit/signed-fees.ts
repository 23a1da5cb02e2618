// Reads the fees back out of a stored transaction: a replacement must raise those that were really signed, also
// after a restart, and the chain's library stays behind gateway/chain.
import type { Fees } from '../chain/chain.ts';
import { GatewayError } from '../errors.ts';

/**
 * Fees of a signed transaction of type 2: 0x02 ‖ rlp([chain id, nonce, priority fee, fee, ...]). EIP-1559.
 *
 * @throws GatewayError `internal` for any other bytes
 */
export function feesOf(rawTransaction: string): Fees {
  const bytes = Buffer.from(rawTransaction.slice(2), 'hex');
  const kind = bytes[0];
  const list = bytes[1];
  // Short lists say their length in one byte, long ones (always the case here) the length of their length.
  if (!rawTransaction.startsWith('0x') || kind !== 2 || list === undefined || list < 0xc0) throw unreadable();
  let place = list < 0xf8 ? 2 : 2 + (list - 0xf7);
  const readNumber = (): bigint => {
    const first = bytes[place++];
    if (first === undefined || first > 0xa0) throw unreadable();
    if (first < 0x80) return BigInt(first);
    const number = bytes.subarray(place, place + first - 0x80);
    if (number.length !== first - 0x80) throw unreadable();
    place += number.length;
    return number.length === 0 ? 0n : BigInt(`0x${number.toString('hex')}`);
  };
  readNumber();
  readNumber();
  const maxPriorityFeePerGasWei = readNumber();
  return { maxFeePerGasWei: readNumber(), maxPriorityFeePerGasWei };
}

const unreadable = (): GatewayError =>
  new GatewayError('internal', 'A stored transaction is not one of type 2');
