// The fuzz in short: 20,000 wrong messages, shared out to the sides. The long form is `npm run chaos -- --fuzz 1000000`.
import { describe, expect, it } from "vitest";
import { decodeFromWorker, decodeToWorker } from "../../src/protocol/codec.ts";
import { fuzzLines, fuzzSides, runFuzz } from "./fuzz.ts";
import { fuzzMessage } from "./fuzzMessages.ts";
import { faultsOf, memoryTrend, riseAllowed } from "./fuzzReport.ts";
import { whyNoTorch } from "./undisturbed.ts";

const seed = 5;
const noTorch = await whyNoTorch();
const messages = { coordinator: 10_000, worker: 5000, mock: 5000 };

describe("the messages of the fuzz", () => {
  it("are a function of reader, seed and number, whatever was made before", () => {
    const alone = fuzzMessage("worker", seed, 77);
    fuzzMessage("coordinator", seed, 77);
    expect(fuzzMessage("worker", seed, 77)).toEqual(alone);
    expect(fuzzMessage("worker", seed + 1, 77)).not.toEqual(alone);
    expect(fuzzMessage("coordinator", seed, 77)).not.toEqual(alone);
  });

  it("hold every damage, and only those that claim to be sound are", () => {
    const hows = { coordinator: new Set<string>(), worker: new Set<string>() };
    for (const reader of ["coordinator", "worker"] as const) {
      const decode = reader === "worker" ? decodeToWorker : decodeFromWorker;
      for (let index = 0; index < 3000; index++) {
        const { how, fault, frames } = fuzzMessage(reader, seed, index);
        hows[reader].add(how.replace(/^\w+: /, ""));
        expect(decode(frames).ok, `message ${index}: ${how}`).toBe(fault === "none" || fault === "params");
      }
    }
    expect(hows.coordinator.size).toBe(36);
    expect([...hows.worker].filter((how) => !hows.coordinator.has(how))).toEqual(["cannot be done"]);
  });
});

describe.each(fuzzSides)("%s under fire", (side) => {
  it.skipIf(side === "worker" && noTorch !== undefined)("lives, counts every message and does its work", async () => {
    const said: string[] = [];
    const [report] = await runFuzz({ side, seed, messages: messages[side], say: (text) => said.push(text) });
    if (!report) throw new Error("no report");
    expect(report.faults, fuzzLines(report).join("\n")).toEqual([]);
    expect(report.counted).toEqual(report.sent);
    expect(Object.values(report.sent).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(messages[side]);
    expect(Math.min(...Object.values(report.sent))).toBeGreaterThan(0);
  });
});

describe("the verdict", () => {
  const sound = { side: "mock", seed, seconds: 1, calls: 1, sent: { a: 2 }, counted: { a: 2 } } as const;

  it("sees a count that differs, memory that grows and calls that were not made", () => {
    const flat = memoryTrend([0, 1, 2, 3, 4].map((at) => ({ messages: at * 100, bytes: 5000 + (at % 2) })));
    expect(faultsOf({ ...sound, memory: flat })).toEqual([]);
    expect(faultsOf({ ...sound, memory: flat, counted: { a: 1 } })).toEqual(["a: 2 sent, 1 counted"]);
    expect(faultsOf({ ...sound, memory: flat, counted: { a: 2, b: 1 } })).toEqual(["b: 0 sent, 1 counted"]);
    expect(faultsOf({ ...sound, memory: flat, calls: 0 })).toHaveLength(1);
    // What is taken in the first third does not count.
    const risen = memoryTrend([0, 9, 9, 9, 9].map((bytes, at) => ({ messages: at * 100, bytes: bytes * riseAllowed })));
    expect(risen.riseBytes).toBe(0);
    const grown = memoryTrend([0, 1, 2, 3, 4].map((at) => ({ messages: at * 100, bytes: at * riseAllowed })));
    expect(grown).toMatchObject({ bytesPerMessage: riseAllowed / 100, riseBytes: 2 * riseAllowed });
    expect(faultsOf({ ...sound, memory: grown })[0]).toMatch(/^memory rises by 96\.0 MiB/);
  });
});
