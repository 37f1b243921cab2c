import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainDataSettings } from "../../src/config/dataSettings.ts";
import { drawsOf } from "../../src/data/draws.ts";
import { bitmapDraws, exactDraws } from "../../src/data/kernel/countdownDraws.ts";
import { canonicalSteps } from "../../src/data/kernel/countdownSolution.ts";
import { lineBytes, putNumber } from "../../src/data/kernel/lineBytes.ts";
import type { TrainSet } from "../../src/data/settings.ts";
import { allProblems, splitter } from "../../src/data/splits.ts";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { type ExactOptions, enumerateSolvable } from "../../src/puzzle/countdownExactBitmap.ts";
import { Solvable } from "../../src/puzzle/countdownExactIndex.ts";
import { canonicalSolution } from "../../src/solver/exhaustive.ts";
import { solvablePath, solvableWords } from "../../src/store/solvableCache.ts";

const options: ExactOptions = { numbers: 3, operands: [1, 20], targets: [10, 40] };
const puzzle = { kind: "countdown", ...options };
const solvable = new Solvable(options, enumerateSolvable(options));
const setOf = (seed: number, format = "sos"): TrainSet => ({ puzzle, train: trainDataSettings.parse({ format }), seed });
const keysOf = (problems: readonly unknown[]) => problems.map((problem) => countdown.canonicalKey(problem as CountdownProblem));

describe("draws by way of the bitmap", () => {
  it("are the draws without it", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.constantFrom("sos", "path", "self-backtracking"), (seed, index, format) => {
        const set = setOf(seed, format);
        expect(bitmapDraws(set, solvable).problem(index)).toEqual(drawsOf(set).problem(index));
      }),
      { numRuns: 200 },
    );
  });

  it("are those without it for problems that the bitmap does not hold", () => {
    for (const other of [{ numbers: 2 }, { operands: [1, 19] }, { targets: [10, 41] }, { numbers: 5, deep: true }]) {
      const set: TrainSet = { ...setOf(4), puzzle: { ...puzzle, ...other } };
      expect(bitmapDraws(set, solvable).problem(7)).toEqual(drawsOf(set).problem(7));
    }
  });

  it("go on where a target has no problem to train on", () => {
    // No two numbers of 1 and 2 make 5 to 30: most targets drawn have none, and another one is taken.
    const few: ExactOptions = { numbers: 2, operands: [1, 2], targets: [2, 4] };
    const set: TrainSet = {
      ...setOf(1),
      puzzle: { kind: "countdown", ...few, targets: [2, 9], holdOutTargets: 0 } as TrainSet["puzzle"],
    };
    const wide = new Solvable({ ...few, targets: [2, 9] }, enumerateSolvable({ ...few, targets: [2, 9] }));
    for (let index = 0; index < 20; index++) expect(bitmapDraws(set, wide).problem(index)).toEqual(drawsOf(set).problem(index));
  });
});

describe("draws of the exact mode", () => {
  const all = keysOf([...allProblems(splitter(countdown.readOptions(puzzle)), "train")]).sort();

  it.each(["targets", "pairs"] as const)("give every training problem once, test problems never (%s)", (weighting) => {
    const draws = exactDraws(setOf(9), solvable, weighting);
    const found: unknown[] = [];
    for (let index = 0; index < 2 * all.length; index++) {
      const problem = draws.problem(index);
      if (problem !== undefined) found.push(problem);
    }
    expect(all.length).toBeGreaterThan(1000);
    expect(keysOf(found).sort()).toEqual(all);
  });
});

describe("the fast canonical solution", () => {
  it("is the canonical solution", () => {
    const numbersOf = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(numbersOf, fc.integer({ min: 1, max: 60 }), (numbers, target) => {
        const expected = canonicalSolution(numbers, target);
        if (expected) expect(canonicalSteps(numbers, target)).toEqual(expected);
        else expect(() => canonicalSteps(numbers, target)).toThrow(/cannot make/);
      }),
      { numRuns: 400 },
    );
  });
});

describe("numbers as bytes", () => {
  it("are their digits", () => {
    const edges = [0, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 10_001, 99_999_999, 100_000_000, Number.MAX_SAFE_INTEGER];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat()), fc.nat(40), (value, at) => {
        const text = String(value);
        expect(putNumber(at, value)).toBe(at + text.length);
        expect(Buffer.from(lineBytes.subarray(at, at + text.length)).toString("latin1")).toBe(text);
      }),
    );
  });
});

describe("the cache of the bitmap", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "backtrail-solvable-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const small: ExactOptions = { numbers: 2, operands: [1, 9], targets: [3, 12] };

  it("is made once, in a folder that need not exist, and read after that", async () => {
    const inside = join(folder, "a", "b");
    const made = await solvableWords(inside, small);
    expect([...made]).toEqual([...enumerateSolvable(small)]);
    expect(made.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(await readdir(inside)).toEqual(["countdown-2-1-9-3-12.v1.solvable"]);
    const before = await readFile(solvablePath(inside, small));
    expect([...(await solvableWords(inside, small))]).toEqual([...made]);
    expect(await readFile(solvablePath(inside, small))).toEqual(before);
  });

  it.each([
    ["empty", (_: Buffer) => Buffer.alloc(0)],
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 4)],
    ["damaged", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([255 - (bytes.at(-1) ?? 0)])])],
  ])("is made anew when its file is %s", async (_, damage) => {
    const path = solvablePath(folder, small);
    await solvableWords(folder, small);
    const whole = await readFile(path);
    await writeFile(path, damage(whole));
    expect([...(await solvableWords(folder, small))]).toEqual([...enumerateSolvable(small)]);
    expect(await readFile(path)).toEqual(whole);
  });
});
