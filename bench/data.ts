// How fast data is made: every kernel against the published or a plain Python generator where one is given, in one run.
//   npm run bench:data -- --sos <clone> --reasoning-gym <clone> [--only countdown] [--repeats 5] [--seconds 4] [--json file]
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { Row, RowOptions, Rows } from "./dataRow.ts";
import { headline, type Machine, machine } from "./machine.ts";

/** The modules of rows by name; loaded when asked for. */
const parts: Readonly<Record<string, () => Promise<{ readonly rows: Rows }>>> = {
  countdown: () => import("./dataCountdown.ts"),
  sudoku: () => import("./dataSudoku.ts"),
  graph: () => import("./dataGraph.ts"),
};

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { sos: text, "reasoning-gym": text, python: text, repeats: text, seconds: text, only: text, json: text },
  });
  const options: RowOptions = {
    repeats: Number(values.repeats ?? 5),
    seconds: Number(values.seconds ?? 4),
    python: values.python ?? "python3",
    ...(values.sos === undefined ? {} : { sos: values.sos }),
    ...(values["reasoning-gym"] === undefined ? {} : { reasoningGym: values["reasoning-gym"] }),
  };
  const rows: Row[] = [];
  for (const [name, load] of Object.entries(parts)) {
    if (values.only !== undefined && values.only !== name) continue;
    const part = await load();
    rows.push(...(await part.rows(options)));
  }
  const python = execFileSync(options.python, ["--version"], { encoding: "utf8" }).trim().replace("Python ", "");
  const about = machine({ python });
  process.stdout.write(table(about, options, rows));
  if (values.json !== undefined)
    await writeFile(
      values.json,
      `${JSON.stringify({ about, repeats: options.repeats, seconds: options.seconds, rows }, null, 2)}\n`,
    );
}

/** Markdown, so that it can be pasted into bench/README.md. */
function table(about: Machine, { repeats, seconds }: RowOptions, rows: readonly Row[]): string {
  const lines = rows.map(({ name, unit, ours, peer, ratio, note }) => {
    const perItem = microseconds(ours);
    const ofPeer = peer === undefined ? "" : microseconds(peer);
    return `| ${[name, unit, perItem, ofPeer, ratio === undefined ? "" : `**${ratio.toFixed(0)}x**`, note].join(" | ")} |`;
  });
  return [
    `Medians, CPU time of one thread, ${repeats} repeats of ${seconds} s. ${headline(about)}`,
    "",
    "| what | item | us/item | peer, us/item | ratio, pair by pair | note |",
    "|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}

function microseconds(rate: number): string {
  const value = 1e6 / rate;
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

await main();
