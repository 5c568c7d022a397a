/**
 * Guest memory: SharedArrayBuffers over mapped memfds, reached by guest physical address only.
 *
 * ```ts
 * import { GuestRam } from "denovisor/memory";
 *
 * using ram = GuestRam.allocate([{ guestAddress: 0, size: 2 << 20 }]);
 * ram.memory.write(0x1000, new Uint8Array([0xf4]));
 * console.assert(ram.memory.readU8(0x1000) === 0xf4);
 * ```
 * @module
 */
export * from "./allocate.ts";
export * from "./guest_memory.ts";
