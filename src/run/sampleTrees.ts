// A few search trees per policy for the report's page: one of a problem that was solved and one of a problem that was not.
import { join } from "node:path";
import type { TestProblem } from "../data/example.ts";
import type { Attempt } from "../decode/policies.ts";
import type { SampleTree } from "../report/model.ts";
import { readJsonl } from "../store/files.ts";
import type { Artefact } from "../store/store.ts";
import type { GradedAttempt } from "./stages/decode.ts";

export interface TreeSource {
  readonly arm: string;
  readonly policy: string;
  readonly problems: ReadonlyMap<string, TestProblem>;
  readonly attempts: Artefact;
  readonly verdicts: readonly GradedAttempt[];
}

/** Per split one solved and one unsolved, those with most rounds of rollback. */
export async function sampleTrees({ arm, policy, problems, attempts, verdicts }: TreeSource): Promise<SampleTree[]> {
  const byId = new Map(verdicts.map((item) => [item.problemId, item]));
  const chosen = new Map<string, Attempt>();
  for await (const attempt of readJsonl<Attempt>(join(attempts.directory, "attempts.jsonl"))) {
    const slot = `${attempt.split} ${byId.get(attempt.problemId)?.solved}`;
    if (attempt.rounds > (chosen.get(slot)?.rounds ?? -1)) chosen.set(slot, attempt);
  }
  return [...chosen.values()].flatMap((attempt) => {
    const problem = problems.get(attempt.problemId);
    const item = byId.get(attempt.problemId);
    return problem === undefined || item === undefined ? [] : [treeOf(arm, policy, problem, attempt, item)];
  });
}

function treeOf(
  arm: string,
  policy: string,
  { problem, prompt }: TestProblem,
  attempt: Attempt,
  item: GradedAttempt,
): SampleTree {
  return {
    arm,
    policy,
    split: attempt.split,
    problem,
    prompt,
    solved: item.solved,
    nodes: attempt.completions.map((node) => ({
      id: node.id,
      parent: node.parent,
      round: node.round,
      text: node.text,
      full: node.response,
      tokens: node.tokens,
      score: node.score ?? node.meanLogprob,
      chosen: node.id === attempt.chosen,
      candidate: node.candidate,
      verdict: node.id === attempt.chosen ? (item.solved ? "solved" : item.errorKinds.join(", ")) : "",
    })),
    errors: item.verdict.errors,
  };
}
