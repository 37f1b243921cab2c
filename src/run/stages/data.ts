// The stages that make text: test problems and training examples. No worker is needed.
import { join } from "node:path";
import type { TestDataSettings, TrainDataSettings } from "../../config/dataSettings.ts";
import type { PuzzleSettings } from "../../config/schema.ts";
import type { Example } from "../../data/example.ts";
import { keyOf } from "../../data/keys.ts";
import { testProblems } from "../../data/make.ts";
import { noJournal, writeTrainShards } from "../../data/trainShards.ts";
import { wrongKinds } from "../../data/wrongActions.ts";
import type { Json } from "../../lib/hash.ts";
import { readJsonl } from "../../store/files.ts";
import { writeJsonl } from "../../store/shards.ts";
import type { Artefact } from "../../store/store.ts";
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
  settings: { puzzle: PuzzleSettings; test: TestDataSettings; format: string; seed: number },
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
  const { train } = settings;
  return context.store.publish("dataset", stage.key, about(context, stage), async (directory) => {
    const { shards, counts } = await writeTrainShards({
      set: settings,
      directory,
      cache: join(context.store.root, "cache"),
      shardSize: examplesPerShard,
      suffix: "",
      journal: noJournal,
      signal: context.signal,
      onProgress: (done) => context.progress.update(stage.label, { done, total: train.size, unit: "examples" }),
    });
    const keys = new Set<string>();
    for (const { name } of shards) {
      for await (const example of readJsonl<Example>(join(directory, name))) keys.add(keyOf(example));
    }
    await writeJsonl(join(directory, "keys.jsonl"), [...keys].sort());
    // Whatever does not end in a wrong step and the mark is a whole answer or search.
    const backtrack = wrongKinds.reduce((sum, kind) => sum + (counts.origins[kind] ?? 0), 0);
    return {
      examples: train.size,
      direct: train.size - backtrack,
      backtrack,
      distinctProblems: keys.size,
      origins: counts.origins,
    };
  });
}

function about(context: RunContext, stage: StageAddress) {
  return { settings: stage.settings, inputs: {}, code: context.code, machine: context.machine };
}
