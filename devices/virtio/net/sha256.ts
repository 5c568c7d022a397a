/**
 * SHA-256 (FIPS 180-4, 6.2) of short texts, at once: the platform's own is asynchronous, and Node's costs the start
 * of a machine more than all its devices.
 * @module
 */

/** Bytes of a block (FIPS 180-4, figure 1). */
const BLOCK = 64;
/** Behind the message: a one bit, zeros, and the length in 64 bits (FIPS 180-4, 5.1.1). */
const PADDING = 1 + 8;

/** The first 32 bits of the fractional parts of a root of each of the first 64 primes (FIPS 180-4, 4.2.2, 5.3.3). */
function fractions(root: (prime: number) => number): Uint32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return Uint32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
}

function rotate(word: number, by: number): number {
  return word >>> by | word << (32 - by);
}

/** The 32 bytes of the text's digest; of its UTF-8 form. */
export function sha256(text: string): Uint8Array<ArrayBuffer> {
  const message = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((message.length + PADDING) / BLOCK) * BLOCK);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);

  const constants = fractions(Math.cbrt);
  const hash = fractions(Math.sqrt).slice(0, 8);
  const w = new Uint32Array(64);
  for (let block = 0; block < padded.length; block += BLOCK) {
    for (let t = 0; t < 16; t++) w[t] = view.getUint32(block + 4 * t);
    for (let t = 16; t < 64; t++) {
      const [x, y] = [w[t - 15], w[t - 2]];
      const s0 = rotate(x, 7) ^ rotate(x, 18) ^ x >>> 3;
      const s1 = rotate(y, 17) ^ rotate(y, 19) ^ y >>> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let t = 0; t < 64; t++) {
      const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = h + sum1 + (e & f ^ ~e & g) + constants[t] + w[t] | 0;
      const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = sum0 + (a & b ^ a & c ^ b & c) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, d + t1 | 0, c, b, a, t1 + t2 | 0];
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) hash[i] += word;
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [i, word] of hash.entries()) digest.setUint32(4 * i, word);
  return new Uint8Array(digest.buffer);
}
