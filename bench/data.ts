// How fast data is made: every kernel against the published or a plain Python generator where one is given, in one run.
//   npm run bench:data -- --sos <clone> --reasoning-gym <clone> [--only countdown] [--repeats 5] [--seconds 4] [--json file]
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Row, RowOptions, Rows } from "./dataRow.ts";

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
  const about = machine(options);
  process.stdout.write(table(about, rows));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ about, rows }, null, 2)}\n`);
}

/** What figures depend on. */
function machine({ python, repeats, seconds }: RowOptions): Record<string, string | number> {
  const version = execFileSync(python, ["--version"], { encoding: "utf8" }).trim();
  const [cpu] = cpus();
  return { cpu: cpu?.model ?? "unknown", cores: cpus().length, node: process.version, python: version, repeats, seconds };
}

/** Markdown, so that it can be pasted into bench/README.md. */
function table(about: Record<string, string | number>, rows: readonly Row[]): string {
  const told = Object.entries(about).map(([name, value]) => `${name} ${value}`);
  const lines = rows.map(({ name, unit, ours, peer, ratio, note }) => {
    const perItem = microseconds(ours);
    const ofPeer = peer === undefined ? "" : microseconds(peer);
    return `| ${[name, unit, perItem, ofPeer, ratio === undefined ? "" : `**${ratio.toFixed(0)}x**`, note].join(" | ")} |`;
  });
  return [
    `Medians, CPU time of one thread: ${told.join(", ")}.`,
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
