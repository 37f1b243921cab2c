// Rows of bench/data.ts on graphs: lines of the set G^15_{2-4} with breadth-first traces against plain Python of our own.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { traceData } from "../src/config/dataSettings.ts";
import { graphKernel } from "../src/data/kernel/graphKernel.ts";
import { recipeFor } from "../src/data/recipe.ts";
import type { TrainSet } from "../src/data/settings.ts";
import { measure, peerRate, type Row, type RowOptions } from "./dataRow.ts";

const peer = join(fileURLToPath(new URL(".", import.meta.url)), "dataPeers", "graph_bfs.py");
const unit = "line of 0.6 KB: problem, prompt, trace, spans, solution";
const set: TrainSet = {
  puzzle: { kind: "graph" },
  train: traceData.parse({ format: "bfs" }),
  seed: 1,
};

/** The kernel against the peer, which does the same job or leaves out what a quick script would, and the composable path. */
export async function rows(options: RowOptions): Promise<Row[]> {
  const kernel = graphKernel(set);
  if (!kernel) throw new Error("graphKernel does not take the set that it is measured on");
  const recipe = recipeFor(set);
  const name = "graph n=15, bfs";
  const against = (...args: string[]) =>
    measure(
      options,
      (index) => kernel.write(index),
      () => peerRate(options, peer, args),
    );
  const composable = await measure(options, (index) => JSON.stringify(recipe.make(index)));
  return [
    { name, unit, ...(await against()), note: "peer: the same job in plain Python of our own (dataPeers/graph_bfs.py)" },
    {
      name: `${name}, simpler peer`,
      unit,
      ...(await against("--plain")),
      note: "peer: as above without a stream for each line, canonical keys and splits, which ours has",
    },
    { name: `${name}, composable path`, unit, ...composable, note: "the path that the kernel equals byte for byte; no peer" },
  ];
}
