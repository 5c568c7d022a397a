/**
 * Credit-based flow control: each side tells how much it can hold (`buf_alloc`) and how much it has passed on so far
 * (`fwd_cnt`), so that the other one knows how much it may send.
 *
 * All counters are modulo 2^32 (virtio 1.2, 5.10.6.3).
 * @module
 */

/** What the guest may send, as it was told. */
export class GivenCredit {
  #received = 0;
  #forwarded = 0;
  #told = 0;

  /** @param size how much can be held, in bytes (`buf_alloc`) */
  constructor(readonly size: number) {}

  /** Takes bytes that came. @returns false where the guest had no credit for them: none of them is counted then */
  take(bytes: number): boolean {
    if (bytes > this.size - ((this.#received - this.#told) >>> 0)) return false;
    this.#received = (this.#received + bytes) >>> 0;
    return true;
  }

  /** Bytes were passed on. @returns whether the guest has to be told: half of its credit came back */
  forward(bytes: number): boolean {
    this.#forwarded = (this.#forwarded + bytes) >>> 0;
    return ((this.#forwarded - this.#told) >>> 0) * 2 >= this.size;
  }

  /** How many bytes came and were not passed on. */
  get held(): number {
    return (this.#received - this.#forwarded) >>> 0;
  }

  /** What the guest is told now (`fwd_cnt`). */
  tell(): number {
    this.#told = this.#forwarded;
    return this.#told;
  }
}

/** What the guest can be sent, as it says. */
export class PeerCredit {
  #size = 0;
  #forwarded = 0;
  #sent = 0;

  /** The guest has said. @param size `buf_alloc` @param forwarded `fwd_cnt` */
  update(size: number, forwarded: number): void {
    this.#size = size;
    this.#forwarded = forwarded;
  }

  /** How many bytes; none where what it says can't be, or where it has shrunk its buffer. */
  get available(): number {
    return Math.max(0, this.#size - ((this.#sent - this.#forwarded) >>> 0));
  }

  /** Bytes were sent. */
  spend(bytes: number): void {
    this.#sent = (this.#sent + bytes) >>> 0;
  }
}
