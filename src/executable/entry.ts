/**
 * The main module of the bundle that executables carry. It does nothing by itself: the code that starts the
 * executable calls what it leaves, once it knows that the file is whole.
 * @module
 */
import "./require.ts";
import { main } from "../cli/main.ts";
import { MAIN, type Main } from "./layout.ts";

(globalThis as { [MAIN]?: Main })[MAIN] = main;
