// A short training on a real torch worker that is started by a program of the test's own, and what it left.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { trainSettings } from "../../src/config/schema.ts";
import { openTrainJournal } from "../../src/store/trainJournal.ts";
import type { StepRecord } from "../../src/train/journal.ts";
import { trainSft } from "../../src/train/sft.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { torchrunLauncher } from "../../src/worker/torchrun.ts";
import { mockPool, temporaryDirectory, tinyModel, tokenizerDirectory, workedRows, writeShard } from "../worker/helpers.ts";

export const python = process.env.BACKTRAIL_PYTHON ?? fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));

/** A program that runs these lines of Python and then the worker. */
export function workerAfter(lines: string): string {
  const directory = temporaryDirectory();
  const script = join(directory, "changed.py");
  const program = join(directory, "python");
  writeFileSync(
    script,
    `import os, runpy
${lines}
runpy.run_module("backtrail_worker", run_name="__main__", alter_sys=True)
`,
  );
  writeFileSync(program, `#!/bin/sh\nexec "${python}" "${script}"\n`);
  chmodSync(program, 0o700);
  return program;
}

/** Six steps, a checkpoint after every second. */
export async function train(program: string, packing: boolean, ranks = 1) {
  const launcher = torchrunLauncher(localLauncher({ flavour: "torch", python: program, environment: process.env }), { ranks });
  const { pool } = await mockPool({ launcher, threads: 1, device: "cpu" });
  const workDirectory = temporaryDirectory();
  const outputDirectory = join(temporaryDirectory(), "checkpoint");
  const journal = await openTrainJournal(workDirectory, outputDirectory);
  const notices = new Set<string | undefined>();
  try {
    const result = await trainSft({
      workers: pool,
      model: tinyModel(tokenizerDirectory()),
      settings: trainSettings.parse({
        steps: 6,
        batch: { examples: 8, packing },
        checkpointEvery: 2,
        learningRate: 1e-3,
      }),
      seed: 5,
      shards: [writeShard(workedRows)],
      examples: workedRows.length,
      workDirectory,
      journal,
      outputDirectory,
      onProgress: ({ notice }) => notices.add(notice),
    });
    const lines = readFileSync(join(workDirectory, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as StepRecord);
    return { result, notices, records, workDirectory, outputDirectory };
  } finally {
    await journal.close();
    await pool.close();
  }
}
