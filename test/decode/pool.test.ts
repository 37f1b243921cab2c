// Self-backtracking on the real pool with mock workers: one is killed in mid-call, and nothing is lost, doubled or changed.
import { expect, test } from "vitest";
import { policySettings } from "../../src/config/schema.ts";
import type { TestProblem } from "../../src/data/example.ts";
import { createGenerator } from "../../src/decode/batchingGenerator.ts";
import { type Attempt, decode } from "../../src/decode/policies.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { mockPool, temporaryDirectory, tinyModel, tokenizerDirectory, workedRows, writeShard } from "../worker/helpers.ts";

const problems: TestProblem[] = Array.from({ length: 12 }, (_, index) => {
  const problem = { puzzle: "countdown" as const, numbers: [3 + index, 5, 7], target: 15 + index };
  return { id: `p${index}`, split: "dev", problem, prompt: selfBacktracking.prompt(problem) };
});
const policy = policySettings.parse({ policy: "self-backtrack", samples: 9, rounds: 1, temperature: 0.9 });

async function run(size: number, completionsPerCall: number, kill: boolean): Promise<(Attempt | undefined)[]> {
  const { pool } = await mockPool({ size });
  // Trained once, so that the mock asks for steps back.
  const session = await pool.session();
  const model = tinyModel(tokenizerDirectory());
  await session.call("load_model", { model, optimizer: { kind: "adamw" } });
  await session.call("load_dataset", { dataset: "d", shards: [writeShard(workedRows)], maxTokens: 128, overlong: "refuse" });
  const bins = { rows: Int32Array.of(0, 1), weights: Float32Array.of(0.1, 0.1) };
  await session.call("forward_backward", { dataset: "d", loss: "cross_entropy" }, bins);
  const path = `${temporaryDirectory()}/checkpoint`;
  await session.call("save", { path, resume: false });
  await session.close();
  const attempts = new Map<string, Attempt>();
  let killed = !kill;
  const onAttempt = (attempt: Attempt) => {
    expect(attempts.has(attempt.problemId)).toBe(false);
    attempts.set(attempt.problemId, attempt);
    const busy = pool.describe().workers.find(({ calls }) => calls > 0);
    if (killed || !busy) return;
    killed = true;
    process.kill(busy.pid, "SIGKILL");
  };
  const trained = { ...model, version: "trained", source: { kind: "path" as const, path } };
  const generator = createGenerator(pool, trained, { completionsPerCall });
  await decode({ generator, policy, name: "b1", problems, markers: selfBacktracking.markers, seed: 3, onAttempt });
  expect(killed).toBe(true);
  return problems.map(({ id }) => attempts.get(id));
}

test("the same attempts from one worker, from two, in other batches, and with a worker killed", async () => {
  const expected = await run(1, 1024, false);
  expect(expected.some((attempt) => attempt?.rounds === 1)).toBe(true);
  expect(await run(2, 20, false)).toEqual(expected);
  expect(await run(2, 20, true)).toEqual(expected);
}, 60_000);
