/**
 * The entry point of an I/O Worker: takes jobs and does them.
 * @module
 */
/// <reference lib="deno.worker" />

import type { IoJob, IoLetter } from "./io_job.ts";
import { IoServer } from "./io_server.ts";

const server = new IoServer((letter: IoLetter) => self.postMessage(letter));

self.onmessage = ({ data }: MessageEvent<IoJob>) => server.take(data);
