import assert from "node:assert/strict";
import { assemble, hasAssembler } from "../assets/assembler.ts";
import { CODE_OFFSET } from "../assets/elf.ts";
import { HOLD_KVM_ASSEMBLY, holdKvmProgram } from "./hold_kvm.ts";

Deno.test({
  name: "the program that holds KVM is what an assembler makes of its source",
  ignore: !hasAssembler,
  fn: async () => {
    const assembled = await assemble(HOLD_KVM_ASSEMBLY);
    assert.equal(holdKvmProgram().subarray(CODE_OFFSET).toHex(), assembled.toHex());
  },
});
