// Rows of bench/data.ts on graphs: lines of the set G^15_{2-4} with breadth-first traces against plain Python of our own: the
// kernel's algorithm ported, and another program for the same job, which a Python programmer would rather write.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { traceData } from "../src/config/dataSettings.ts";
import { graphKernel } from "../src/data/kernel/graphKernel.ts";
import { recipeFor } from "../src/data/recipe.ts";
import type { TrainSet } from "../src/data/settings.ts";
import { measure, peerRate, type Row, type RowOptions } from "./dataRow.ts";

const peers = join(fileURLToPath(new URL(".", import.meta.url)), "dataPeers");
const port = join(peers, "graph_port.py");
const program = join(peers, "graph_bfs.py");
const unit = "line of 0.6 KB: problem, prompt, trace, spans, solution";
const set: TrainSet = {
  puzzle: { kind: "graph" },
  train: traceData.parse({ format: "bfs" }),
  seed: 1,
};

/**
 * The kernel against the port, which makes the same bytes, and against the other program, which does the same job or leaves out
 * what a quick script would; and the composable path.
 */
export async function rows(options: RowOptions): Promise<Row[]> {
  const kernel = graphKernel(set);
  if (!kernel) throw new Error("graphKernel does not take the set that it is measured on");
  const recipe = recipeFor(set);
  const name = "graph n=15, bfs";
  const against = (peer: string, ...args: string[]) =>
    measure(
      options,
      (index) => kernel.write(index),
      () => peerRate(options, peer, args),
    );
  const composable = await measure(options, (index) => JSON.stringify(recipe.make(index)));
  return [
    { name, unit, ...(await against(port)), note: "peer: the same bytes in plain Python (dataPeers/graph_port.py)" },
    {
      name: `${name}, another program`,
      unit,
      ...(await against(program)),
      note: "peer: another program for the same job in plain Python of our own (dataPeers/graph_bfs.py)",
    },
    {
      name: `${name}, simpler peer`,
      unit,
      ...(await against(program, "--plain")),
      note: "peer: as above without a stream for each line, canonical keys and splits, which ours has",
    },
    { name: `${name}, composable path`, unit, ...composable, note: "the path that the kernel equals byte for byte; no peer" },
  ];
}
