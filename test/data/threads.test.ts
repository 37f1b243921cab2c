import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { selfBacktrackingData } from "../../src/config/dataSettings.ts";
import { chunks } from "../../src/data/threads.ts";
import { countdownOptions } from "../../src/puzzle/countdown.ts";

const puzzle = countdownOptions.parse({ kind: "countdown", numbers: 3, operands: [1, 20] });
const set = { puzzle, train: selfBacktrackingData.parse({ format: "self-backtracking", size: 4000 }), seed: 3 };

async function digestOf(threads: number, from: number, draws: number): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks({ set, prepared: {}, modules: [], threads, from })) {
    hash.update(chunk.bytes);
    if (chunk.from + chunk.ends.length >= from + draws) break;
  }
  return hash.digest("hex");
}

describe("chunks", () => {
  it("are the same from one thread and from two, from any draw on", async () => {
    expect(await digestOf(2, 100, 4096)).toBe(await digestOf(1, 100, 4096));
  });

  it("end in the error that making one met, as a user's error", async () => {
    // No two numbers up to 3 make 90.
    const options = countdownOptions.parse({ kind: "countdown", numbers: 2, operands: [1, 3], targets: [90, 99] });
    const read = chunks({ set: { ...set, puzzle: options }, prepared: {}, modules: [], threads: 2, from: 0 });
    await expect(read.next()).rejects.toMatchObject({ name: "UserError", code: "puzzle-empty" });
  });
});
