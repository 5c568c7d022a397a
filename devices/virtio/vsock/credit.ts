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
  #size: number;

  /** @param size how much can be held, in bytes (`buf_alloc`) */
  constructor(size: number) {
    this.#size = size;
  }

  /** How much can be held (`buf_alloc`). */
  get size(): number {
    return this.#size;
  }

  /** From now on more can be held; there's no way back, since the guest may have sent it already. */
  grow(size: number): void {
    this.#size = Math.max(this.#size, size);
  }

  /** Takes bytes that came. @returns false where the guest had no credit for them: none of them is counted then */
  take(bytes: number): boolean {
    if (bytes > this.#size - ((this.#received - this.#told) >>> 0)) return false;
    this.#received = (this.#received + bytes) >>> 0;
    return true;
  }

  /**
   * Bytes were passed on.
   *
   * @param reach how much the guest has under way at most, whatever its credit: Linux takes no more of that than its own
   *   buffer has (net/vmw_vsock/virtio_transport_common.c), and waits to be told
   * @returns whether the guest has to be told: half of what it uses came back
   */
  forward(bytes: number, reach: number = this.#size): boolean {
    this.#forwarded = (this.#forwarded + bytes) >>> 0;
    return ((this.#forwarded - this.#told) >>> 0) * 2 >= Math.min(this.#size, reach);
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

  /** How much it can hold, as it says. */
  get size(): number {
    return this.#size;
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
