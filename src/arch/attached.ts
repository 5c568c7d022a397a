/**
 * The processor architecture of this host for the isolates of vCPUs, which make and set up nothing: they would read
 * many times what they use of {@linkcode architecture}, each for itself.
 * @module
 */
import { attachedX86 } from "./x86_64/attached.ts";

/** That of this host; who has made the machine has checked that it's one of ours. */
export const attached = attachedX86;
