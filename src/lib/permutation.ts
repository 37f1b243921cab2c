// A keyed permutation of 0 .. size - 1 with random access: an order or a sample without repeats, without a table.

/** What a permutation is made of. The two halves together must hold the range: 2^(lowBits + highBits) >= size. */
export interface FeistelNetwork {
  /** Bits of the half that holds an index's low bits, 1 to 16; the other half's. They may differ. */
  readonly lowBits: number;
  readonly highBits: number;
  /** One key a round, an even number of them; four or more make a pseudorandom permutation (Luby and Rackoff). */
  readonly keys: ArrayLike<number>;
  /** The round function: 32 well mixed bits of a half and a key. */
  readonly mixed: (half: number, key: number) => number;
}

/**
 * A bijection of 0 .. size - 1 (size from 1 to 2^32). What the network sends outside the range is sent through again until
 * it falls inside ("cycle walking": Black and Rogaway, CT-RSA 2002), so a network of less than four times the range takes
 * fewer than four passes on average.
 */
export function keyedPermutation(size: number, { lowBits, highBits, keys, mixed }: FeistelNetwork): (index: number) => number {
  const lowSize = 2 ** lowBits;
  const lowMask = lowSize - 1;
  const highMask = 2 ** highBits - 1;
  return (index) => {
    let value = index;
    do {
      let low = value & lowMask;
      let high = Math.floor(value / lowSize);
      for (let round = 0; round < keys.length; round += 2) {
        high ^= mixed(low, keys[round] as number) & highMask;
        low ^= mixed(high, keys[round + 1] as number) & lowMask;
      }
      value = high * lowSize + low;
    } while (value >= size);
    return value;
  };
}
