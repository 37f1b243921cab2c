// What a stage's code makes of fixed settings, by digest. When one of these fails and the change is meant, raise the stage's
// number in src/plan/codeVersions.ts and record the new digest here: old artefacts must not pass for new ones.
import { expect, it } from "vitest";
import { testDataSettings, trainDataSettings } from "../../src/config/dataSettings.ts";
import { trainSettings } from "../../src/config/schema.ts";
import { testProblems, trainExamples } from "../../src/data/make.ts";
import { digest, type Json } from "../../src/lib/hash.ts";
import { codeVersions } from "../../src/plan/codeVersions.ts";
import { countdown, countdownOptions } from "../../src/puzzle/countdown.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { grade } from "../../src/trace/grader.ts";
import { learningRate, rowsOfStep } from "../../src/train/schedule.ts";

const puzzle = countdownOptions.parse({ kind: "countdown", numbers: 3, operands: [1, 20] });
const format = "self-backtracking";

const outputs: Record<string, () => unknown> = {
  problems: () => testProblems({ puzzle, test: testDataSettings.parse({ seen: 20, unseen: 20, dev: 5 }), format }, 42),
  dataset: () => [...trainExamples({ puzzle, train: trainDataSettings.parse({ size: 120 }) }, 42)],
  train: () => {
    const settings = trainSettings.parse({ steps: 40, warmupSteps: 5, batch: { examples: 8 } });
    const steps = Array.from({ length: 40 }, (_, index) => index + 1);
    return steps.map((step) => [[...rowsOfStep(42, step, 8, 100)], learningRate(settings, step, 40).toPrecision(12)]);
  },
  grade: () => {
    const problem = { puzzle: "countdown" as const, numbers: [4, 9, 2], target: 38 };
    const texts = [
      "4*9=36\n36+2=38\nGoal Reached!",
      "4*4=16\nGoal Reached!",
      "9/2=4\n<backtrack>",
      "4-9=5\n5+2=7\n7",
      "4+9=14\n14+2=16\nGoal Reached!",
      "4*9=38\nGoal Reached!",
    ];
    const given = { ...problem, target: 9 };
    return [
      ...texts.map((text) => grade(selfBacktracking, countdown, problem, text)),
      grade(selfBacktracking, countdown, given, "Goal Reached!"),
    ];
  },
};

/** kind@code version -> digest of its output. */
const golden: Record<string, string> = {
  "problems@1": "35ed46e61447c4d6b7affd23274c8e7d56078b86b98d8ec9478dd774c2f0587b",
  "dataset@1": "13aebe2a97d3229792e0719dad111dd42cbd4f1b45d00d7da3a8155e7116bc98",
  "train@2": "c2865118b9ff49489d04c7ffcb7a19beb1616828d0166ee647cfa1e8a6465d1e",
  "grade@4": "7d8b8665db156ee34d1cc00b53bcec88219ab9974f46665e7665eba2387359c7",
};

it.each(Object.keys(outputs))("%s makes the same bytes under the same code version", (kind) => {
  const name = `${kind}@${codeVersions[kind as keyof typeof codeVersions]}`;
  const made = digest(JSON.parse(JSON.stringify(outputs[kind]?.())) as Json);
  expect(`${name}: ${made}`).toBe(`${name}: ${golden[name]}`);
});
