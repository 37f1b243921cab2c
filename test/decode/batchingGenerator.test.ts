import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGenerator } from "../../src/decode/batchingGenerator.ts";
import type { GenerateRequest } from "../../src/decode/generator.ts";
import { deriveSeed64 } from "../../src/lib/rng.ts";
import type { ModelSpec } from "../../src/protocol/primitives.ts";
import type { Answer, Workers } from "../../src/worker/port.ts";
import { FakeWorkers, received } from "./fakeWorkers.ts";
import { encode, madeUp } from "./models.ts";

const model: ModelSpec = {
  version: "v",
  source: { kind: "path", path: "m" },
  dtype: "float32",
  addTokens: [],
  reservedTokens: {},
};
const stops = ["Goal!", "<back>"];
const request = (prefix: string, samples: number, changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  prefix: encode(prefix),
  seeds: Array.from({ length: samples }, (_, sample) => deriveSeed64(1, prefix, sample)),
  maxNewTokens: 8,
  temperature: 0.7,
  stops,
  ...changes,
});

describe("createGenerator", () => {
  test("every request gets its own completions, in the order of its seeds, whatever the pool does", async () => {
    const weather = fc.record({ size: fc.integer({ min: 1, max: 3 }), seed: fc.nat(), loss: fc.constantFrom(0, 0.4) });
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(weather, sizes, fc.integer({ min: 1, max: 200 }), async (conditions, samples, completionsPerCall) => {
        const generator = createGenerator(new FakeWorkers(conditions), model, { completionsPerCall });
        const requests = samples.map((count, index) => request(`a${index}`, count, { maxNewTokens: 1 + (index % 9) }));
        const answers = await Promise.all(requests.map((each) => generator.generate(each)));
        for (const [index, completions] of answers.entries()) {
          const { seeds, maxNewTokens } = requests[index] as GenerateRequest;
          expect(completions).toEqual(seeds.map((seed) => madeUp(`a${index}`, seed, maxNewTokens, stops)));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("concurrent requests share calls; other settings get calls of their own", async () => {
    const workers = new FakeWorkers({ size: 1, seed: 1, loss: 0 });
    const generator = createGenerator(workers, model, { completionsPerCall: 100, slots: 48 });
    const warm = Array.from({ length: 30 }, (_, index) => generator.generate(request(`a${index}`, 4)));
    const greedy = Array.from({ length: 5 }, (_, index) => generator.generate(request(`b${index}`, 1, { temperature: 0 })));
    await Promise.all([...warm, ...greedy]);
    expect(workers.calls).toEqual([100, 20, 5]);
    expect(workers.params.map(({ temperature, slots, topK, topP }) => [temperature, slots, topK, topP])).toEqual([
      [0.7, 48, 0, 1],
      [0.7, 48, 0, 1],
      [0, 48, 0, 1],
    ]);
  });

  test("engine and slots reach the worker; the engine only when there is one", async () => {
    const workers = new FakeWorkers({ size: 1, seed: 1, loss: 0 });
    await createGenerator(workers, model, { engine: "reference" }).generate(request("a", 1));
    await createGenerator(workers, model, { slots: 1 }).generate(request("a", 1));
    expect(workers.params).toMatchObject([{ engine: "reference", slots: 0 }, { slots: 1 }]);
    expect(workers.params[1]).not.toHaveProperty("engine");
  });

  test("a burst is spread over all workers, and no more than two calls wait for each", async () => {
    const workers = new FakeWorkers({ size: 3, seed: 1, loss: 0 });
    const generator = createGenerator(workers, model, { completionsPerCall: 1000 });
    await Promise.all(Array.from({ length: 90 }, (_, index) => generator.generate(request(`a${index}`, 10))));
    expect(workers.calls.slice(0, 3)).toEqual([300, 200, 130]);
    expect(workers.mostRunning).toBeLessThanOrEqual(6);
  });

  test("calls for a GPU are larger, and more problems are under way", async () => {
    const counts = async (gpus: number) => {
      const workers = new FakeWorkers({ size: 1, seed: 1, loss: 0, gpus });
      const generator = createGenerator(workers, model);
      await Promise.all(Array.from({ length: 3000 }, (_, index) => generator.generate(request(`a${index}`, 3))));
      return { calls: workers.calls, problemsAtOnce: generator.problemsAtOnce };
    };
    expect(await counts(1)).toEqual({ calls: [8190, 810], problemsAtOnce: 4096 });
    expect(await counts(0)).toEqual({ calls: [...Array(8).fill(1023), 816], problemsAtOnce: 512 });
  });

  test("a request larger than a call goes alone", async () => {
    const workers = new FakeWorkers({ size: 1, seed: 1, loss: 0 });
    const generator = createGenerator(workers, model, { completionsPerCall: 10 });
    await Promise.all([
      generator.generate(request("a", 6)),
      generator.generate(request("b", 25)),
      generator.generate(request("c", 4)),
    ]);
    expect(workers.calls).toEqual([6, 25, 4]);
  });

  test("a request is answered as soon as its last completion is there, before its call ends", async () => {
    const workers = new FakeWorkers({ size: 1, seed: 3, loss: 0 });
    const generator = createGenerator(workers, model);
    await Promise.race(Array.from({ length: 40 }, (_, index) => generator.generate(request(`a${index}`, 2))));
    expect(workers.running).toBe(1);
  });

  test("interrupt: what waits is rejected with AbortError, and so is what comes after", async () => {
    const controller = new AbortController();
    const never: Workers = { size: 1, gpus: 0, session: () => Promise.reject(new Error()), free: () => new Promise(() => {}) };
    const generator = createGenerator(never, model, { completionsPerCall: 1, signal: controller.signal });
    const waiting = Array.from({ length: 4 }, (_, index) => generator.generate(request(`a${index}`, 1)));
    await new Promise((resolve) => setImmediate(resolve));
    const settled = Promise.allSettled(waiting.slice(2));
    controller.abort();
    await settled;
    for (const late of waiting.slice(2)) await expect(late).rejects.toMatchObject({ name: "AbortError" });
    await expect(generator.generate(request("z", 1))).rejects.toMatchObject({ name: "AbortError" });
  });

  test("answers that do not fit are errors of their call, not of the pool or of other calls", async () => {
    const good = new FakeWorkers({ size: 1, seed: 1, loss: 0 });
    let call = 0;
    const workers: Workers = {
      size: 1,
      gpus: 0,
      session: () => Promise.reject(new Error()),
      free: async (name, params, bins, options) => {
        call++;
        if (call > 3) return good.free(name, params, bins, options);
        if (call === 1) options?.onChunk?.({ texts: ["a"], bins: { completion: received(new Float32Array(1)) } });
        if (call === 2) {
          // An answer of one completion that tells of another one.
          const chunks = options?.onChunk;
          const shifted = {
            ...options,
            onChunk: (chunk: Parameters<NonNullable<typeof chunks>>[0]) =>
              chunks?.({ ...chunk, bins: { ...chunk.bins, completion: received(Int32Array.of(7)) } }),
          };
          return good.free(name, params, bins, shifted);
        }
        return { result: {}, bins: {}, seconds: 0 } as Answer<typeof name>;
      },
    };
    const generator = createGenerator(workers, model, { completionsPerCall: 1 });
    const answers = await Promise.allSettled(["a", "b", "c", "d"].map((prefix) => generator.generate(request(prefix, 1))));
    const reasons = answers.map((answer) => (answer.status === "rejected" ? (answer.reason as Error).message : "answered"));
    expect(reasons).toEqual([
      expect.stringContaining('"completion" is missing or not a Int32Array'),
      "generate: completion 7 of 1",
      expect.stringContaining("ended with 1 of 1 completions missing"),
      "answered",
    ]);
  });

  test("tokenizePrompts: prompts in order, over several calls", async () => {
    const workers = new FakeWorkers({ size: 1, seed: 1, loss: 0 });
    const texts = Array.from({ length: 5000 }, (_, index) => "ab".repeat(index % 4));
    const { prompts, context } = await createGenerator(workers, model).tokenizePrompts(texts);
    expect(context).toBe(40);
    expect(prompts).toEqual(texts.map(encode));
  });
});
