/**
 * The segment that the executable is entered in: code that inserts arguments and variables, and these.
 *
 * | offset     | type      | what                                                                     |
 * | ---------- | --------- | ------------------------------------------------------------------------ |
 * | 0          | bytes     | the code of stub/, to a multiple of 8                                    |
 * | header + 0 | i64       | from the segment to the program's old entry                              |
 * | + 8        | i64       | from the segment to the pointer to the C library's `environ`             |
 * | + 16       | u32       | words of 4 bytes in the segment                                          |
 * | + 20       | u32       | what makes the sum of all words 0                                        |
 * | + 24       | 2 x u32   | the message for a damaged segment: its place in the segment and its size |
 * | + 32       | u32       | arguments in place of argv[0]                                            |
 * | + 36       | u32       | variables to append to the environment                                   |
 * | + 40       | u32 each  | the strings' places in the segment, arguments first                      |
 * | behind     | bytes     | the message, then the strings, each ended by NUL                         |
 *
 * All numbers are little-endian.
 * @module
 */
import type { Place } from "./elf.ts";
import { stubCode } from "./stub/mod.ts";

/** What the program is started with beside what its user gave it. */
export interface Insertion {
  /** In place of argv[0]. At least one. */
  readonly args: readonly string[];
  /** `NAME=VALUE`, behind the user's. At least one. */
  readonly variables: readonly string[];
  /** What is said when the segment's words don't add up. */
  readonly message: string;
}

const HEADER_SIZE = 40;
const WORD = 4;
const SUM = 20;

/** The segment's bytes. Their number depends on the insertion alone, not on the place. */
export function buildSegment(place: Place, insertion: Insertion): Uint8Array<ArrayBuffer> {
  const { args, variables } = insertion;
  if (args.length === 0 || variables.length === 0) throw new Error("there is nothing to insert");
  const code = stubCode(place.machine);
  const encoder = new TextEncoder();
  const strings = [...args, ...variables].map((text) => {
    if (text.includes("\0")) throw new Error(`${JSON.stringify(text)} contains a NUL`);
    return encoder.encode(text + "\0");
  });
  // The message comes first: a segment that is cut off has it still.
  const texts = [encoder.encode(insertion.message), ...strings];
  let end = code.length + HEADER_SIZE + WORD * strings.length;
  const places = texts.map(({ length }) => {
    const at = end;
    end += length;
    return at;
  });
  const segment = new Uint8Array(Math.ceil(end / WORD) * WORD);
  segment.set(code);
  for (const [i, bytes] of texts.entries()) segment.set(bytes, places[i]);
  const header = new DataView(segment.buffer, code.length);
  header.setBigInt64(0, BigInt(place.entry - place.address), true);
  header.setBigInt64(8, BigInt(place.environ - place.address), true);
  header.setUint32(16, segment.length / WORD, true);
  header.setUint32(24, places[0], true);
  header.setUint32(28, texts[0].length, true);
  header.setUint32(32, args.length, true);
  header.setUint32(36, variables.length, true);
  for (const i of strings.keys()) header.setUint32(HEADER_SIZE + WORD * i, places[i + 1], true);
  header.setInt32(SUM, -sumOfWords(segment), true);
  return segment;
}

/** The sum of a segment's words, modulo 2^32 as a signed number: 0 where nothing was changed. */
export function sumOfWords(segment: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  let sum = 0;
  for (let at = 0; at < segment.length; at += WORD) sum = (sum + view.getInt32(at, true)) | 0;
  return sum;
}
