// The stages that make text: test problems and training examples. No worker is needed.
import { join } from "node:path";
import type { PuzzleSettings, TestDataSettings, TrainDataSettings } from "../../config/schema.ts";
import type { Example } from "../../data/example.ts";
import { testProblems, trainExamples } from "../../data/make.ts";
import type { Json } from "../../lib/hash.ts";
import { countdown } from "../../puzzle/countdown.ts";
import { writeJsonl } from "../../store/shards.ts";
import type { Artefact } from "../../store/store.ts";
import type { FormatName } from "../../trace/registry.ts";
import type { RunContext } from "../context.ts";

const examplesPerShard = 100_000;

interface StageAddress {
  readonly key: string;
  readonly label: string;
  readonly settings: Json;
}

/** Publishes `<split>.jsonl` for every split that has problems. */
export async function makeProblems(
  context: RunContext,
  stage: StageAddress,
  settings: { puzzle: PuzzleSettings; test: TestDataSettings; format: FormatName; seed: number },
): Promise<Artefact> {
  return context.store.publish("problems", stage.key, about(context, stage), async (directory) => {
    const counts: Record<string, number> = {};
    const problems = testProblems(settings, settings.seed);
    for (const split of new Set(problems.map((problem) => problem.split))) {
      const ofSplit = problems.filter((problem) => problem.split === split);
      counts[split] = (await writeJsonl(join(directory, `${split}.jsonl`), ofSplit)).rows;
    }
    return { problems: counts };
  });
}

/** Publishes `train-00000.jsonl`, ... and `keys.jsonl` (the sorted canonical keys of its problems, for the overlap check). */
export async function makeDataset(
  context: RunContext,
  stage: StageAddress,
  settings: { puzzle: PuzzleSettings; train: TrainDataSettings; seed: number },
): Promise<Artefact> {
  return context.store.publish("dataset", stage.key, about(context, stage), async (directory) => {
    const keys = new Set<string>();
    const origins: Record<string, number> = {};
    let done = 0;
    const counted = function* (examples: Iterable<Example>) {
      for (const example of examples) {
        keys.add(countdown.canonicalKey(countdown.readProblem(example.problem)));
        origins[example.origin] = (origins[example.origin] ?? 0) + 1;
        done++;
        context.progress.update(stage.label, { done, total: settings.train.size, unit: "examples" });
        yield example;
      }
    };
    const source = trainExamples(settings, settings.seed)[Symbol.iterator]();
    for (let shard = 0; shard * examplesPerShard < settings.train.size; shard++) {
      const name = `train-${String(shard).padStart(5, "0")}.jsonl`;
      await writeJsonl(join(directory, name), counted(take(source, examplesPerShard)));
    }
    await writeJsonl(join(directory, "keys.jsonl"), [...keys].sort());
    const direct = origins.optimal ?? 0;
    return { examples: done, direct, backtrack: done - direct, distinctProblems: keys.size, origins };
  });
}

function* take<T>(source: Iterator<T>, count: number): Generator<T> {
  for (let index = 0; index < count; index++) {
    const next = source.next();
    if (next.done === true) return;
    yield next.value;
  }
}

function about(context: RunContext, stage: StageAddress) {
  return { settings: stage.settings, inputs: {}, code: context.code, machine: context.machine };
}
