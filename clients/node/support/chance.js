// Chance that can be repeated: the same seed gives the same numbers. Source: Tommy Ettinger, mulberry32.

const words = ["seeds", "Zaunkönig", "a+b", "100%", "x=y&z", 'quote"d', "it's", "線", "𐎄", "a  b", "one\ntwo", ""];

export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  /** One of several. */
  oneOf(several) {
    return several[this.below(several.length)];
  }

  /** Words, among them what encodings and signatures stumble on. */
  text() {
    return Array.from({ length: 1 + this.below(4) }, () => this.oneOf(words)).join(" ");
  }

  /** Bytes with one bit of one of them turned. */
  flipped(bytes) {
    const other = Buffer.from(bytes);
    other[this.below(other.length)] ^= 1 << this.below(8);
    return other;
  }
}
