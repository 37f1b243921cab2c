// The train stage: dataset artefact -> checkpoint artefact. The loop itself is train/sft.ts; here are paths and records.
import { join } from "node:path";
import type { ModelSettings, TrainSettings } from "../../config/schema.ts";
import type { Json } from "../../lib/hash.ts";
import { makeFolder, readJsonl, writeAtomic } from "../../store/files.ts";
import { copyInto, keepOnly } from "../../store/results.ts";
import type { Artefact } from "../../store/store.ts";
import { openTrainJournal } from "../../store/trainJournal.ts";
import type { AnyFormat } from "../../trace/format.ts";
import { tokenizerConfigJson, tokenizerJson } from "../../trace/tokenizer.ts";
import { type SftInputs, trainSft } from "../../train/sft.ts";
import type { StageContext } from "../context.ts";
import { initialModelSpec } from "../modelSpec.ts";

export interface TrainStage {
  readonly key: string;
  readonly label: string;
  readonly settings: Json;
  readonly model: ModelSettings;
  readonly train: TrainSettings;
  readonly seed: number;
  readonly format: AnyFormat;
  readonly dataset: Artefact;
  /** Whether `model.from` is a directory here (else a Hub id). */
  readonly isDirectory: boolean;
}

/** Publishes `checkpoint/` (save_pretrained layout) and `metrics.jsonl`; interrupted, it goes on from its last resume checkpoint. */
export async function runTrain(context: StageContext, stage: TrainStage): Promise<Artefact> {
  await context.store.verify(stage.dataset);
  const work = await context.store.workDirectory("train", stage.key);
  const { format } = stage;
  const tokenizer = join(work, "tokenizer");
  await makeFolder(tokenizer);
  await writeAtomic(join(tokenizer, "tokenizer.json"), JSON.stringify(tokenizerJson(format.vocabulary)));
  await writeAtomic(join(tokenizer, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(format.vocabulary)));
  const spec = initialModelSpec(stage.model, {
    seed: stage.seed,
    tokenizer,
    dtype: stage.model.dtype === "auto" ? context.environment.dtype : stage.model.dtype,
    isDirectory: stage.isDirectory,
    backtrack: format.markers.backtrack,
  });
  const shards = Object.entries(stage.dataset.manifest.files)
    .filter(([name]) => name.startsWith("train-"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => ({ path: join(stage.dataset.directory, name), sha256: file.sha256 }));
  const about = {
    settings: stage.settings,
    inputs: { dataset: stage.dataset },
    code: context.code,
    machine: context.machine,
  };
  const workers = await context.workers();
  const artefact = await context.store.publish("train", stage.key, about, async (directory) => {
    const outputDirectory = join(directory, "checkpoint");
    const journal = await openTrainJournal(work, outputDirectory);
    try {
      const inputs: SftInputs = {
        workers,
        model: spec,
        settings: stage.train,
        seed: stage.seed,
        shards,
        examples: (stage.dataset.manifest.summary as { examples: number }).examples,
        workDirectory: work,
        journal,
        outputDirectory,
        signal: context.signal,
        ...(context.sharded === undefined ? {} : { sharded: context.sharded }),
        onNotice: (text) => context.progress.say(`  ${stage.label}: ${text}`),
        onProgress: (p) =>
          context.progress.update(stage.label, {
            done: p.step,
            total: p.steps,
            unit: "steps",
            note: `loss ${p.loss.toFixed(3)}, ${Math.round(p.tokensPerSecond)} tokens/s${p.notice === undefined ? "" : `, ${p.notice}`}`,
          }),
      };
      const result = await context.turn(() => trainSft(inputs));
      await journal.sync();
      await keepOnly(directory, ["checkpoint"]);
      await copyInto(join(work, "metrics.jsonl"), join(directory, "metrics.jsonl"));
      return result as unknown as Json;
    } finally {
      await journal.close();
    }
  });
  await context.store.discardWork("train", stage.key);
  return artefact;
}

/** Loss per step, thinned to at most `points`. */
export async function lossCurve(artefact: Artefact, points: number): Promise<{ step: number; loss: number }[]> {
  const lines: { step: number; loss: number }[] = [];
  for await (const line of readJsonl<{ step: number; loss: number }>(join(artefact.directory, "metrics.jsonl")))
    lines.push(line);
  const stride = Math.max(1, Math.ceil(lines.length / points));
  return lines
    .filter((_, index) => index % stride === 0 || index === lines.length - 1)
    .map(({ step, loss }) => ({ step, loss }));
}
