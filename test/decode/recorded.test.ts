// When workers may forget what they answered: only after every attempt that a call fed is on disk. Attempts of several rounds
// need further calls before they are, so nothing of it may hold a call back.
import { expect, test } from "vitest";
import { policySettings } from "../../src/config/schema.ts";
import { createGenerator } from "../../src/decode/batchingGenerator.ts";
import { type DecodeInputs, decode } from "../../src/decode/policies.ts";
import type { FreePrimitive, Params } from "../../src/protocol/primitives.ts";
import type { Bins, FreeOptions } from "../../src/worker/port.ts";
import { FakeWorkers } from "./fakeWorkers.ts";
import { markers } from "./models.ts";

const model = {
  version: "v",
  source: { kind: "path", path: "m" },
  dtype: "float32",
  addTokens: [],
  reservedTokens: {},
} as const;
const problems = Array.from({ length: 25 }, (_, index) => ({
  id: `p${index}`,
  split: "dev",
  problem: {},
  prompt: `p${index}:`,
}));
const policy = policySettings.parse({ policy: "self-backtrack", samples: 9, rounds: 2, maxNewTokens: 9 });

/** Notes which calls may be forgotten. */
class RememberingWorkers extends FakeWorkers {
  readonly forgotten: number[] = [];
  #count = 0;

  override free<Name extends FreePrimitive>(name: Name, params: Params<Name>, bins: Bins = {}, options: FreeOptions = {}) {
    if (name === "generate") {
      const call = this.#count++;
      void (options.recorded ?? Promise.resolve()).then(() => this.forgotten.push(call));
    }
    return super.free(name, params, bins, options);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const weather = { size: 2, seed: 3, loss: 0.2 };

function inputs(workers: FakeWorkers, changes: Partial<DecodeInputs> = {}): DecodeInputs {
  const generator = createGenerator(workers, { ...model, addTokens: [] });
  return { generator, policy, name: "x", problems, markers, seed: 3, onAttempt: () => undefined, ...changes };
}

test("a worker may forget a call when what its attempts became is on disk, and not before", async () => {
  const workers = new RememberingWorkers(weather);
  let toDisk: () => void = () => undefined;
  const disk = new Promise<void>((resolve) => {
    toDisk = resolve;
  });
  // The decoding ends although no call was forgotten: rounds go on.
  await decode(inputs(workers, { durable: () => disk }));
  await turn();
  expect(workers.calls.length).toBeGreaterThan(3);
  expect(workers.forgotten).toEqual([]);
  toDisk();
  await turn();
  expect(workers.forgotten.length).toBe(workers.calls.length);
});

test("a failed attempt holds nothing back, nor does a disk that refuses", async () => {
  const workers = new RememberingWorkers(weather);
  const refused = inputs(workers, { durable: () => Promise.reject(new Error("disk full")) });
  await decode(refused);
  await turn();
  expect(workers.forgotten.length).toBe(workers.calls.length);

  const failing = new RememberingWorkers(weather);
  const onAttempt = () => Promise.reject(new Error("no journal"));
  await expect(decode(inputs(failing, { onAttempt, durable: async () => undefined }))).rejects.toThrow("no journal");
  await turn();
  expect(failing.forgotten.length).toBe(failing.calls.length);
});
