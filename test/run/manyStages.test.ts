// A sweep of sixty stages on real mock workers (bench/sweep.ts does the same with a thousand, and measures): every stage is made
// once, results come early, both workers work, and workers forget what is on record.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { namedStages, withInputs } from "../../src/run/select.ts";
import type { PoolEvent } from "../../src/worker/events.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { createPool } from "../../src/worker/pool.ts";
import { execute, planOf, temporaryFolder, twoArms } from "./helpers.ts";

const folder = temporaryFolder("many");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Two trained models, each decoded at 14 temperatures: 1 + 2 + 2 + 28 + 28 stages.
const temperatures = Array.from({ length: 14 }, (_, index) => (0.5 + index / 100).toFixed(2));
const config = twoArms
  .replace(
    "{policy: greedy, maxNewTokens: 32}",
    "{policy: self-backtrack, samples: 4, rounds: 1, temperature: 0.5, maxNewTokens: 32}",
  )
  .replace("sweep: {", `sweep: {grid: {decode.greedy.temperature: [${temperatures.join(", ")}]}, `);

it("makes every stage once, depth first, on all workers", async () => {
  const plan = planOf(config);
  expect(plan.stages).toHaveLength(61);
  const events: PoolEvent[] = [];
  const pool = await createPool({
    launcher: localLauncher({ flavour: "mock", python: "", environment: process.env }),
    size: 2,
    logDirectory: join(folder, "logs"),
    onEvent: (event) => events.push(event),
  });
  try {
    const { executed, said, monitor } = await execute(plan, folder, async () => pool, { atOnce: 2 });
    expect(await executed).toMatchObject({ ran: 61, cached: 0, failures: [], skipped: [] });
    expect(said.filter((line) => line.endsWith(": started"))).toHaveLength(61);
    expect(new Set(said.filter((line) => line.endsWith(": started"))).size).toBe(61);
    expect(monitor.left).toBe(0);
    // The first verdict is there before all decodings have begun.
    const firstGrade = said.findIndex((line) => /^grade .*: done/.test(line));
    expect(said.slice(0, firstGrade).filter((line) => /^decode .*: started$/.test(line)).length).toBeLessThan(28);
    const generated = events.filter((event) => event.kind === "job-done" && event.primitive === "generate");
    expect(new Set(generated.map((event) => "worker" in event && event.worker))).toEqual(new Set(["worker-1", "worker-2"]));
    for (const name of ["decode", "grade"]) expect(readdirSync(join(folder, "store", name))).toHaveLength(28);
    // Nothing is left of the stages in progress.
    expect(readdirSync(join(folder, "store", "work"))).toEqual([]);

    const only = withInputs(plan, namedStages(plan, ["direct/*"], "--only"));
    const again = await execute(plan, folder, () => Promise.reject(new Error("no worker is needed")), { only });
    expect(await again.executed).toMatchObject({ ran: 0, cached: 61, failures: [] });
  } finally {
    await pool.close();
  }
}, 60_000);
