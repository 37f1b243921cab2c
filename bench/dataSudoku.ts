// Rows of bench/data.ts on Sudoku: whole lines with traces, against reasoning-gym's generator, which gives puzzle and solution alone.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { traceData } from "../src/config/dataSettings.ts";
import { recipeFor } from "../src/data/recipe.ts";
import type { TrainSet } from "../src/data/settings.ts";
import { measure, peerRate, type Row, type RowOptions } from "./dataRow.ts";

const peer = join(fileURLToPath(new URL(".", import.meta.url)), "dataPeers", "reasoning_gym_sudoku.py");
const peerNote = "peer: reasoning-gym's sudoku dataset; it writes no trace and no canonical key";

/** Both ranges of the peer that were measured before, full lines of our composable path. */
export async function rows(options: RowOptions): Promise<Row[]> {
  const measured: Row[] = [];
  for (const empty of [
    [30, 50],
    [50, 55],
  ] as const) {
    const puzzle = { kind: "sudoku", empty };
    const set: TrainSet = { puzzle, train: traceData.parse({ format: "sudoku" }), seed: 1 };
    const recipe = recipeFor(set);
    const folder = options.reasoningGym;
    const rates = await measure(
      options,
      (index) => JSON.stringify(recipe.make(index)),
      folder === undefined ? undefined : () => peerRate(options, peer, [folder, ...empty.map(String)]),
    );
    measured.push({
      name: `sudoku 9x9, ${empty.join(" to ")} empty cells`,
      unit: "line of 1.3 KB: problem, prompt, trace, spans, solution",
      ...rates,
      note: folder === undefined ? "no peer: reasoning-gym's folder was not given" : peerNote,
    });
  }
  return measured;
}
