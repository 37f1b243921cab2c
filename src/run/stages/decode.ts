// The decode and grade stages: problems + checkpoint -> attempts -> verdicts.
import { join } from "node:path";
import type { GradeSettings, PolicySettings } from "../../config/schema.ts";
import type { TestProblem } from "../../data/example.ts";
import { createGenerator } from "../../decode/batchingGenerator.ts";
import { type Attempt, type DecodeInputs, decode } from "../../decode/policies.ts";
import { type Graded, summarise } from "../../evaluate/summary.ts";
import type { Json } from "../../lib/hash.ts";
import type { ModelSpec } from "../../protocol/primitives.ts";
import { readProblem } from "../../puzzle/registry.ts";
import { JsonlWriter, readJsonl } from "../../store/files.ts";
import { writeJsonl } from "../../store/shards.ts";
import type { Artefact } from "../../store/store.ts";
import type { AnyFormat } from "../../trace/format.ts";
import { grade } from "../../trace/grader.ts";

import type { Verdict } from "../../trace/verdict.ts";
import type { RunContext, StageContext } from "../context.ts";

export interface DecodeStage {
  readonly key: string;
  readonly label: string;
  readonly settings: Json;
  readonly policy: PolicySettings;
  readonly policyName: string;
  readonly seed: number;
  readonly format: AnyFormat;
  readonly grade: GradeSettings;
  readonly problems: Artefact;
  readonly train: Artefact | undefined;
  readonly model: ModelSpec;
}

/** All problems of an artefact, split after split. */
export async function readProblems(artefact: Artefact): Promise<TestProblem[]> {
  const problems: TestProblem[] = [];
  for (const split of Object.keys((artefact.manifest.summary as { problems: Record<string, number> }).problems)) {
    for await (const problem of readJsonl<TestProblem>(join(artefact.directory, `${split}.jsonl`))) problems.push(problem);
  }
  return problems;
}

/** Publishes `attempts.jsonl` in problem order; attempts already made by an interrupted run are kept, none is made twice. */
export async function runDecode(context: StageContext, stage: DecodeStage): Promise<Artefact> {
  await context.store.verify(stage.problems);
  if (stage.train !== undefined) await context.store.verify(stage.train);
  const problems = await readProblems(stage.problems);
  const { format } = stage;
  const work = await context.store.workDirectory("decode", stage.key);
  const journalPath = join(work, "attempts.jsonl");
  const journal = await JsonlWriter.open(journalPath);
  const attempts = new Map<string, Attempt>();
  let begun = performance.now();
  try {
    for await (const attempt of readJsonl<Attempt>(journalPath)) attempts.set(attempt.problemId, attempt);
    if (attempts.size > 0) context.progress.say(`  ${stage.label}: ${attempts.size} attempts kept from the interrupted run`);
    const generator = createGenerator(await context.workers(), stage.model, {
      signal: context.signal,
      ...engineOf(stage.policy),
    });
    const inputs: DecodeInputs = {
      generator,
      policy: stage.policy,
      name: stage.policyName,
      problems,
      markers: format.markers,
      seed: stage.seed,
      skip: new Set(attempts.keys()),
      signal: context.signal,
      durable: groupedSync(journal),
      solves: (problem, answer) => gradeAnswer(stage.format, problem, answer, stage.grade).solved,
      onAttempt: async (attempt) => {
        await journal.append(attempt as unknown as Json);
        attempts.set(attempt.problemId, attempt);
        context.progress.update(stage.label, { done: attempts.size, total: problems.length, unit: "problems" });
      },
    };
    await context.turn(() => {
      begun = performance.now();
      return decode(inputs);
    });
    await journal.sync();
  } finally {
    await journal.close();
  }
  const inputs = { problems: stage.problems, ...(stage.train === undefined ? {} : { train: stage.train }) };
  const about = { settings: stage.settings, inputs, code: context.code, machine: context.machine, begun };
  const artefact = await context.store.publish("decode", stage.key, about, async (directory) => {
    const ordered = problems.map((problem) => attempts.get(problem.id) as Attempt);
    await writeJsonl(join(directory, "attempts.jsonl"), ordered);
    return { attempts: ordered.length, tokensGenerated: ordered.reduce((sum, a) => sum + a.tokensGenerated, 0) };
  });
  await context.store.discardWork("decode", stage.key);
  return artefact;
}

/** Makes a journal durable; whoever asks while the disk is at work shares the next write with all others who do. */
function groupedSync(journal: JsonlWriter): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    if (next !== undefined) return next;
    const asked = last
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return journal.sync();
      });
    next = asked;
    last = asked;
    return asked;
  };
}

function gradeAnswer(format: AnyFormat, problem: TestProblem, answer: string, settings: GradeSettings): Verdict {
  const { puzzle, problem: read } = readProblem(problem.problem);
  return grade(format, puzzle, read, answer, settings);
}

/** A verdict with the identity of its attempt. */
export interface GradedAttempt extends Graded {
  readonly verdict: Verdict;
}

/** Strict is one slot: the numbers of a completion then depend on nothing but itself. */
function engineOf({ engine, strict }: PolicySettings) {
  return { ...(engine === undefined ? {} : { engine }), ...(strict ? { slots: 1 } : {}) };
}

export interface GradeStage {
  readonly key: string;
  readonly settings: Json;
  readonly format: AnyFormat;
  readonly grade: GradeSettings;
  readonly problems: Artefact;
  readonly attempts: Artefact;
}

/** Publishes `verdicts.jsonl` in problem order; the summary holds the figures of each split. */
export async function runGrade(context: RunContext, stage: GradeStage): Promise<Artefact> {
  const begun = performance.now();
  await context.store.verify(stage.attempts);
  await context.store.verify(stage.problems);
  const problems = new Map((await readProblems(stage.problems)).map((problem) => [problem.id, problem]));
  const graded: GradedAttempt[] = [];
  for await (const attempt of readJsonl<Attempt>(join(stage.attempts.directory, "attempts.jsonl"))) {
    const problem = problems.get(attempt.problemId);
    if (problem === undefined) throw new Error(`attempt of a problem that is not in the test set: ${attempt.problemId}`);
    const verdict = gradeAnswer(stage.format, problem, attempt.answer, stage.grade);
    graded.push({
      problemId: attempt.problemId,
      split: attempt.split,
      solved: verdict.solved,
      reached: verdict.reached,
      allUsed: verdict.allUsed ?? false,
      errorKinds: verdict.errors.map((error) => error.kind),
      tokensGenerated: attempt.tokensGenerated,
      verdict,
    });
  }
  const inputs = { decode: stage.attempts, problems: stage.problems };
  const about = { settings: stage.settings, inputs, code: context.code, machine: context.machine, begun };
  return context.store.publish("grade", stage.key, about, async (directory) => {
    await writeJsonl(join(directory, "verdicts.jsonl"), graded);
    const splits = [...new Set(graded.map((item) => item.split))];
    const bySplit = splits.map((split) => [split, summarise(graded.filter((item) => item.split === split))] as const);
    return Object.fromEntries(bySplit) as unknown as Json;
  });
}

/** The verdicts of a grade artefact, in problem order. */
export async function readGraded(artefact: Artefact): Promise<GradedAttempt[]> {
  const graded: GradedAttempt[] = [];
  for await (const item of readJsonl<GradedAttempt>(join(artefact.directory, "verdicts.jsonl"))) graded.push(item);
  return graded;
}
