// Rows of Countdown: Stream of Search lines by every way there is of making them, against the published generator; the exact
// mode; self-backtracking lines.
import { fileURLToPath } from "node:url";
import { type TrainDataSettings, trainDataSettings } from "../src/config/dataSettings.ts";
import { composed } from "../src/data/chunk.ts";
import { type Draws, drawsOf } from "../src/data/draws.ts";
import { bitmapDraws, exactDraws } from "../src/data/kernel/countdownDraws.ts";
import { sosKernel } from "../src/data/kernel/sosKernel.ts";
import { recipeFor } from "../src/data/recipe.ts";
import type { TrainSet } from "../src/data/settings.ts";
import { chunks } from "../src/data/threads.ts";
import { type ExactOptions, enumerateSolvable } from "../src/puzzle/countdownExactBitmap.ts";
import { Solvable } from "../src/puzzle/countdownExactIndex.ts";
import { type MakeItem, measure, peerRate, type Row, type RowOptions } from "./dataRow.ts";

const space: ExactOptions = { numbers: 4, operands: [1, 99], targets: [10, 100] };
const peerScript = fileURLToPath(new URL("dataPeers/sos_countdown.py", import.meta.url));

/** The published mix: half depth-first, half a beam of 1 to 5, either heuristic. */
const strategies = ["sum", "mult"].flatMap((heuristic) => [
  { kind: "dfs", heuristic, share: 5 },
  ...[1, 2, 3, 4, 5].map((width) => ({ kind: "beam", heuristic, width })),
]);

function setOf(train: object, seed: number): TrainSet {
  const settings: TrainDataSettings = trainDataSettings.parse(train);
  return { puzzle: { kind: "countdown", ...space } as TrainSet["puzzle"], train: settings, seed };
}

/** The rows of bench/data.ts about Countdown. */
export async function rows(options: RowOptions): Promise<Row[]> {
  const start = process.cpuUsage();
  const words = enumerateSolvable(space);
  const { user, system } = process.cpuUsage(start);
  const solvable = new Solvable(space, words);
  const set = setOf({ format: "sos", solver: strategies }, 1);
  const kernel = (draws: Draws) => {
    const maker = sosKernel(set, draws);
    if (maker === undefined) throw new Error("the kernel does not know the published strategies");
    return maker;
  };
  const exact = exactDraws(set, solvable);
  const ways: readonly (readonly [string, { write(index: number): Uint8Array | undefined }])[] = [
    ["kernel, bitmap of solvable problems", kernel(bitmapDraws(set, solvable))],
    ["kernel, exact mode (no repeats)", kernel(exact)],
    ["kernel alone", kernel(drawsOf(set))],
    ["composable path", composed(recipeFor(set))],
  ];
  const found: Row[] = [];
  for (const [way, maker] of ways) found.push(await sosRow(options, way, maker));
  found.push({
    name: "Countdown, problems of the exact mode",
    unit: "problem drawn",
    ...(await measure(options, (index) => exact.problem(index))),
    note: `the bitmap of all 386,711,325 pairs took ${((user + system) / 1e6).toFixed(1)} CPU seconds`,
  });
  found.push(await selfBacktrackingRow(options));
  return found;
}

/** Draws that give no line (problems kept for tests) cost time but are no items. */
async function sosRow(options: RowOptions, way: string, maker: { write(index: number): Uint8Array | undefined }): Promise<Row> {
  let [lines, bytes, draw] = [0, 0, 0];
  const make: MakeItem = () => {
    let line = maker.write(draw++);
    while (line === undefined) line = maker.write(draw++);
    lines++;
    bytes += line.length;
    return line;
  };
  const { sos } = options;
  let seed = 0;
  const peer = sos === undefined ? undefined : () => peerRate(options, peerScript, [sos, String(++seed)]);
  const measured = await measure(options, make, peer);
  return {
    name: `Countdown, Stream of Search, ${way}`,
    unit: `JSON line of ${(bytes / lines / 1000).toFixed(1)} KB`,
    ...measured,
    note:
      sos === undefined
        ? "peer not given: --sos <clone of stream-of-search>"
        : "peer: its countdown_generate.py, no tokens counted",
  };
}

/** One core's rate, and the paper's set as a whole on two threads. */
async function selfBacktrackingRow(options: RowOptions): Promise<Row> {
  const size = 500_000;
  const set = setOf({ format: "self-backtracking", size }, 1);
  const maker = composed(recipeFor(set));
  // Direct and backtracking examples in turn, as many of each.
  const make: MakeItem = (index) => maker.write(((index % 2) * size) / 2 + ((index >> 1) % (size / 2)));
  const measured = await measure(options, make);
  const began = performance.now();
  let made = 0;
  for await (const { ends } of chunks({ set, prepared: {}, modules: [], threads: 2, from: 0 })) {
    made += ends.length;
    if (made >= size) break;
  }
  const seconds = (performance.now() - began) / 1000;
  return {
    name: "Countdown, self-backtracking",
    unit: "JSON line",
    ...measured,
    note: `no peer is published; ${size} lines on 2 threads, disk apart: ${seconds.toFixed(1)} s`,
  };
}
