// Problems in flight: what comes out depends on nothing but problem, settings and seed; each attempt is handed over once.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PolicySettings, policySettings } from "../../src/config/schema.ts";
import type { TestProblem } from "../../src/data/example.ts";
import { createGenerator } from "../../src/decode/batchingGenerator.ts";
import type { Generator } from "../../src/decode/generator.ts";
import { type Attempt, type DecodeInputs, decode } from "../../src/decode/policies.ts";
import type { FreePrimitive, ModelSpec, Params } from "../../src/protocol/primitives.ts";
import { type Bins, type FreeOptions, WorkerError } from "../../src/worker/port.ts";
import { FakeWorkers } from "./fakeWorkers.ts";
import { decodeTokens, encode, madeUp, markers } from "./models.ts";

const model: ModelSpec = {
  version: "v",
  source: { kind: "path", path: "m" },
  dtype: "float32",
  addTokens: [],
  reservedTokens: {},
};
const problems: TestProblem[] = Array.from({ length: 25 }, (_, index) => ({
  id: `p${index}`,
  split: "dev",
  problem: {},
  prompt: `p${index}:`,
}));
const policy = (settings: object): PolicySettings => policySettings.parse(settings);
const twoRounds = policy({ policy: "self-backtrack", samples: 9, rounds: 2, maxNewTokens: 9 });

/** The same model without any pool: each request alone, at once. */
const direct: Generator = {
  generate: async ({ prefix, seeds, maxNewTokens, stops }) =>
    seeds.map((seed) => madeUp(decodeTokens(prefix), seed, maxNewTokens, stops)),
  problemsAtOnce: 512,
  tokenizePrompts: async (texts) => ({ prompts: texts.map(encode), context: 40 }),
};

async function run(generator: Generator, changes: Partial<DecodeInputs> = {}): Promise<Map<string, Attempt>> {
  const attempts = new Map<string, Attempt>();
  const onAttempt = (attempt: Attempt) => {
    expect(attempts.has(attempt.problemId)).toBe(false);
    attempts.set(attempt.problemId, attempt);
  };
  await decode({ generator, policy: twoRounds, name: "x", problems, markers, seed: 3, onAttempt, ...changes });
  return attempts;
}

const inOrder = (attempts: Map<string, Attempt>) => problems.map(({ id }) => attempts.get(id));

/** A pool that gives up every call in which one of these problems' prompts stands. */
class PoisonedWorkers extends FakeWorkers {
  readonly quarantined: number[] = [];
  readonly #poison: readonly string[];

  constructor(poison: readonly string[]) {
    super({ size: 2, seed: 5, loss: 0.3 });
    this.#poison = poison;
  }

  override async free<Name extends FreePrimitive>(
    name: Name,
    params: Params<Name>,
    bins: Bins = {},
    options: FreeOptions = {},
  ) {
    const prefixes = name === "generate" ? prefixesOf(bins) : [];
    if (prefixes.some((prefix) => this.#poison.some((id) => prefix.startsWith(`${id}:`)))) {
      this.quarantined.push(prefixes.length);
      throw new WorkerError("quarantined", "generate lost its worker 3 times");
    }
    return super.free(name, params, bins, options);
  }
}

function prefixesOf({ tokens, lengths }: Bins): string[] {
  let at = 0;
  return Array.from(lengths ?? [], (length) => {
    at += length;
    return decodeTokens(Int32Array.from(tokens ?? []).slice(at - length, at));
  });
}

describe("decode", () => {
  test("a problem that kills its worker fails alone: every other attempt is made, unchanged", async () => {
    const expected = await run(direct);
    const workers = new PoisonedWorkers(["p3", "p17"]);
    const attempts = new Map<string, Attempt>();
    const onAttempt = (attempt: Attempt) => void attempts.set(attempt.problemId, attempt);
    await expect(run(createGenerator(workers, model, { completionsPerCall: 90 }), { onAttempt })).rejects.toThrow(
      "2 of 25 problems lose their worker each time (p17, p3); all others are done and kept. generate lost its worker 3 times",
    );
    for (const id of ["p3", "p17"]) expected.delete(id);
    expect(attempts).toEqual(expected);
    // Calls of ten requests were halved down to the one that is poison.
    expect(Math.max(...workers.quarantined)).toBe(10);
    expect(workers.quarantined.filter((requests) => requests === 1)).toHaveLength(2);
  });

  test("when every call kills its worker, decoding ends soon instead of trying each problem alone", async () => {
    const many = Array.from({ length: 200 }, (_, index) => ({ ...(problems[0] as TestProblem), id: `p${index}` }));
    const workers = new PoisonedWorkers(["p0"]);
    const refused = run(createGenerator(workers, model), { problems: many });
    await expect(refused).rejects.toThrow(/^generate: 16 calls in a row lost their workers and no completion came: .*3 times$/);
    // Each problem alone would take more than 200; what was under way when the last straw came still ends.
    expect(workers.quarantined.length).toBeLessThan(50);
  });

  test("the case is a real one: rounds happen, choices differ", async () => {
    const attempts = [...(await run(direct)).values()];
    expect(attempts.some(({ rounds }) => rounds === 2)).toBe(true);
    expect(attempts.some(({ completions, chosen }) => (completions[chosen as number]?.round ?? 0) > 0)).toBe(true);
  });

  test("no batching, worker count, concurrency, order of arrival or lost attempt changes an attempt", async () => {
    const expected = inOrder(await run(direct));
    const weather = fc.record({ size: fc.integer({ min: 1, max: 4 }), seed: fc.nat(), loss: fc.constantFrom(0, 0.3) });
    await fc.assert(
      fc.asyncProperty(
        weather,
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 30 }),
        async (conditions, completionsPerCall, concurrency) => {
          const generator = createGenerator(new FakeWorkers(conditions), model, { completionsPerCall });
          expect(inOrder(await run(generator, { concurrency }))).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("an attempt does not depend on which other problems are decoded", async () => {
    const all = await run(direct);
    const some = await run(direct, { problems: problems.slice(10, 12) });
    expect([...some.values()]).toEqual([all.get("p10"), all.get("p11")]);
  });

  test("b = 0 is the first round of b = 1: policies of equal N and temperature share their samples", async () => {
    const zero = await run(direct, {
      policy: policy({ policy: "self-backtrack", samples: 9, rounds: 0, maxNewTokens: 9 }),
      name: "b0",
    });
    const best = await run(direct, { policy: policy({ policy: "best-of-n", samples: 9, maxNewTokens: 9 }), name: "bon" });
    for (const [id, attempt] of await run(direct)) {
      const first = attempt.completions.filter(({ round }) => round === 0).map(({ text }) => text);
      expect(zero.get(id)?.completions.map(({ text }) => text)).toEqual(first);
      expect(best.get(id)?.completions.map(({ text }) => text)).toEqual(first);
    }
  });

  test("skip: only the rest is decoded", async () => {
    const skip = new Set(problems.slice(3).map(({ id }) => id));
    expect([...(await run(direct, { skip })).keys()].sort()).toEqual(["p0", "p1", "p2"]);
    expect((await run(direct, { skip: new Set(problems.map(({ id }) => id)) })).size).toBe(0);
  });

  test("attempts are handed over one at a time; progress counts them", async () => {
    let open = 0;
    const counts: number[] = [];
    const onAttempt = async () => {
      expect(++open).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
    };
    await decode({
      generator: direct,
      policy: twoRounds,
      name: "x",
      problems,
      markers,
      seed: 3,
      onAttempt,
      onProgress: ({ done }) => counts.push(done),
    });
    expect(counts).toEqual(problems.map((_, index) => index + 1));
  });

  test("interrupt, then again with what is missing: the whole, each attempt once", async () => {
    const expected = inOrder(await run(direct));
    const controller = new AbortController();
    const attempts = new Map<string, Attempt>();
    const onAttempt = (attempt: Attempt) => {
      attempts.set(attempt.problemId, attempt);
      if (attempts.size === 7) controller.abort();
    };
    const inputs = { policy: twoRounds, name: "x", problems, markers, seed: 3, concurrency: 4 };
    const generator = createGenerator(new FakeWorkers({ size: 2, seed: 5, loss: 0 }), model, { signal: controller.signal });
    await expect(decode({ ...inputs, generator, onAttempt, signal: controller.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    const before = new Map(attempts);
    expect(before.size).toBeLessThan(problems.length);
    const rest = await run(direct, { skip: new Set(before.keys()) });
    expect(inOrder(new Map([...before, ...rest]))).toEqual(expected);
    expect(rest.size).toBe(problems.length - before.size);
  });

  test("a failing problem is the error; nothing is handed over after decode has ended", async () => {
    let ended = false;
    const late: string[] = [];
    const generator: Generator = {
      ...direct,
      generate: async (request) => {
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        if (decodeTokens(request.prefix).startsWith("p6:")) throw new Error("no");
        return direct.generate(request);
      },
    };
    const onAttempt = (attempt: Attempt) => void (ended && late.push(attempt.problemId));
    await expect(
      decode({ generator, policy: twoRounds, name: "x", problems, markers, seed: 3, concurrency: 5, onAttempt }),
    ).rejects.toThrow("no");
    ended = true;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(late).toEqual([]);
  });

  test("an error of onAttempt (a full disk) ends the run with that error", async () => {
    const onAttempt = () => Promise.reject(new Error("ENOSPC"));
    await expect(
      decode({ generator: direct, policy: twoRounds, name: "x", problems, markers, seed: 3, onAttempt }),
    ).rejects.toThrow("ENOSPC");
  });
});
