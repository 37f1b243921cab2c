// kill -9 in every phase of a training on a real torch worker: what is left is that of a run that nobody disturbs.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../worker/helpers.ts";
import { python, train, workerAfter } from "./torchTraining.ts";

/** Functions of the worker, each of which kills it once; the number of the call that does, counted over all workers. */
const phases = [
  ["backtrail_worker.model.load", "describe", 1],
  ["backtrail_worker.data.dataset", "build", 1],
  ["backtrail_worker.train.session", "Trainer.forward_backward", 2],
  ["backtrail_worker.train.updates", "Updates.step", 4],
  ["backtrail_worker.model.save", "save_file", 2],
  ["backtrail_worker.model.save", "_publish", 3],
  ["backtrail_worker.train.session", "copy_weights", 2],
  ["backtrail_worker.train.updates", "Updates.restore", 3],
] as const;

/** Imported before the worker itself, so that every module finds the changed functions. */
function deadly(): string {
  const marks = temporaryDirectory();
  return workerAfter(`import importlib, pathlib, signal

def deadly(module, name, call):
    holder = importlib.import_module(module)
    *outer, leaf = name.split(".")
    for part in outer:
        holder = getattr(holder, part)
    real = getattr(holder, leaf)
    mark = pathlib.Path(${JSON.stringify(marks)}, name)
    def dies(*of, **more):
        with mark.open("a") as file:
            file.write(".")
        if mark.stat().st_size == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*of, **more)
    setattr(holder, leaf, dies)

for phase in ${JSON.stringify(phases)}:
    deadly(*phase)`);
}

test("a worker killed with -9 in each phase: the same steps and weights, and nothing lies about", async () => {
  const [expected, found] = [await train(python, false), await train(deadly(), false)];
  expect([expected.result.restarts, found.result.restarts]).toEqual([0, phases.length]);
  const comparable = (records: typeof found.records) => records.map(({ tokensPerSecond: _, ...rest }) => rest);
  expect(comparable(found.records)).toEqual(comparable(expected.records));
  for (const { outputDirectory } of [expected, found]) {
    expect(readdirSync(join(outputDirectory, ".."))).toEqual(["checkpoint"]);
  }
  expect(readdirSync(found.workDirectory).sort()).toEqual(readdirSync(expected.workDirectory).sort());
  const weights = [expected, found].map((one) => readFileSync(join(one.outputDirectory, "model.safetensors")));
  expect(weights[0]?.equals(weights[1] as Buffer)).toBe(true);
}, 300_000);
