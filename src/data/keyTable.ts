// A set of 64-bit hashes: what was there before, at 12 to 24 bytes an entry. Two different keys that share a hash count as one:
// among ten million about once in 370,000 datasets.

const emptySlots = 1 << 12;

/** Open addressing with linear probing, at most two thirds full. */
export class KeyTable {
  #words = new Uint32Array(2 * emptySlots);
  #count = 0;
  #hasZero = false;

  /** Adds a hash; false when it is there already. */
  add(high: number, low: number): boolean {
    if ((high | low) === 0) {
      const isNew = !this.#hasZero;
      this.#hasZero = true;
      return isNew;
    }
    if (3 * this.#count >= this.#words.length) this.#grow();
    const isNew = place(this.#words, high, low);
    if (isNew) this.#count++;
    return isNew;
  }

  #grow(): void {
    const old = this.#words;
    const grown = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      const high = old[at] as number;
      const low = old[at + 1] as number;
      if ((high | low) !== 0) place(grown, high, low);
    }
    this.#words = grown;
  }
}

function place(words: Uint32Array, high: number, low: number): boolean {
  const mask = words.length / 2 - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const heldHigh = words[2 * slot] as number;
    const heldLow = words[2 * slot + 1] as number;
    if ((heldHigh | heldLow) === 0) {
      words[2 * slot] = high;
      words[2 * slot + 1] = low;
      return true;
    }
    if (heldHigh === high && heldLow === low) return false;
  }
}
