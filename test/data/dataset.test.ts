// Datasets as folders: the same bytes however they are cut and by however many threads, resumed, refused.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDataSettings } from "../../src/config/dataSettings.ts";
import { loadModule } from "../../src/config/moduleLoader.ts";
import { keyOf } from "../../src/data/keys.ts";
import { trainExamples } from "../../src/data/make.ts";
import { sha256 } from "../../src/lib/hash.ts";
import { examplesOf, makeIn, small, toy, toyModule, trainText } from "./datasets.ts";

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  await loadModule(toyModule);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-dataset-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the bytes of a dataset", () => {
  it("are those of its recipe, whatever threads, shards and compression", async () => {
    const expected = [...trainExamples(small(), 7)].map((example) => `${JSON.stringify(example)}\n`).join("");
    await makeIn(at("a"), small(), { shardSize: 1000 });
    await makeIn(at("b"), small(), { shardSize: 77, threads: 2 });
    await makeIn(at("c"), small(), { shardSize: 300, compress: true });
    for (const name of ["a", "b", "c"]) expect(sha256(trainText(at(name)))).toBe(sha256(expected));
    expect(readdirSync(at("c")).sort()).toEqual([
      "manifest.json",
      "test-seen.jsonl",
      "test-unseen.jsonl",
      ...[0, 1, 2, 3].map((shard) => `train-0000${shard}.jsonl.gz`),
    ]);
  });

  it("are the same with a user's module in several threads, repeats dropped", async () => {
    const settings = toy({ distinct: true });
    const one = await makeIn(at("one"), settings);
    const two = await makeIn(at("two"), settings, { threads: 2, shardSize: 50 });
    expect(trainText(at("two"))).toBe(trainText(at("one")));
    expect(two.statistics).toEqual(one.statistics);
    // The 9 problems with held-out targets that are asked for: the toy has no such split.
    expect(one.test).toMatchObject({ seen: 3, unseen: 0, dev: 2 });
    expect(one.tests.map(({ rows }) => rows)).toEqual([3, 2]);
    // 850 of 1000 problems are to train on: some of 300 draws come twice.
    expect(one.statistics.draws).toBeGreaterThan(300);
    const examples = examplesOf(at("one"));
    expect(new Set(examples.map(keyOf)).size).toBe(300);
    expect(examples.at(-1)?.id).toBe(`train-${String(one.statistics.draws - 1).padStart(7, "0")}`);
  });

  it("are those of the recipe where an enumerated space is kept on a disk", async () => {
    const settings = small({ distinct: true });
    const expected = [...trainExamples(settings, 7)].map((example) => `${JSON.stringify(example)}\n`).join("");
    for (const name of ["new", "known"]) {
      await makeIn(at(name), settings, { cache: at("cache") });
      expect(sha256(trainText(at(name)))).toBe(sha256(expected));
    }
    expect(readdirSync(at("cache"))).toHaveLength(1);
  });

  it("are described by the manifest", async () => {
    const manifest = await makeIn(at("a"), small());
    expect(manifest.shards.map(({ rows }) => rows)).toEqual([400, 400, 200]);
    expect(manifest.tests.map(({ name, rows }) => [name, rows])).toEqual([
      ["test-seen.jsonl", 30],
      ["test-unseen.jsonl", 20],
    ]);
    for (const { name, bytes, sha256: digest } of [...manifest.shards, ...manifest.tests]) {
      const content = readFileSync(join(at("a"), name));
      expect([bytes, digest]).toEqual([content.byteLength, sha256(content)]);
    }
    const { origins } = manifest.statistics;
    const tally: Record<string, number> = {};
    for (const { origin } of examplesOf(at("a"))) tally[origin] = (tally[origin] ?? 0) + 1;
    expect(origins).toEqual(tally);
    expect(JSON.parse(readFileSync(at("a/manifest.json"), "utf8"))).toEqual(JSON.parse(JSON.stringify(manifest)));
  });
});

describe("an interrupted dataset", () => {
  /** Stops when `made` examples are there. */
  function stopAt(made: number) {
    const controller = new AbortController();
    const onProgress = (done: number) => {
      if (done >= made) controller.abort();
    };
    return { signal: controller.signal, onProgress };
  }

  it.each([
    ["self-backtracking", small()],
    ["distinct draws", toy({ distinct: true, size: 700 })],
  ])("goes on to the same bytes: %s", async (_name, settings) => {
    const whole = await makeIn(at("whole"), settings, { shardSize: 100 });
    await expect(makeIn(at("cut"), settings, { shardSize: 100, ...stopAt(400) })).rejects.toMatchObject({ name: "AbortError" });
    const kept = statSync(at("cut/train-00000.jsonl")).mtimeMs;
    expect(readdirSync(at("cut"))).not.toContain("manifest.json");
    expect(readdirSync(at("cut")).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(await makeIn(at("cut"), settings, { shardSize: 100 })).toEqual(whole);
    expect(statSync(at("cut/train-00000.jsonl")).mtimeMs).toBe(kept);
    expect(trainText(at("cut"))).toBe(trainText(at("whole")));
    expect(readdirSync(at("cut")).sort()).toEqual(readdirSync(at("whole")).sort());
  });

  it("makes shards anew that were damaged in between", async () => {
    await makeIn(at("whole"), small(), { shardSize: 100 });
    await expect(makeIn(at("cut"), small(), { shardSize: 100, ...stopAt(500) })).rejects.toThrow();
    truncateSync(at("cut/train-00001.jsonl"), 1000);
    await makeIn(at("cut"), small(), { shardSize: 100 });
    expect(trainText(at("cut"))).toBe(trainText(at("whole")));
  });

  it("survives a kill -9", async () => {
    const settings = small({ size: 20_000 });
    const fixture = fileURLToPath(new URL("fixtures/making.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", fixture, at("cut")], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
    // It says so when 3,000 examples are made, and would go on.
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGKILL");
    expect(await exited).toBe("SIGKILL");
    expect(readdirSync(at("cut"))).not.toContain("manifest.json");
    expect(readdirSync(at("cut"))).toContain("train-00000.jsonl");
    await makeIn(at("cut"), settings, { shardSize: 1000 });
    await makeIn(at("whole"), settings, { shardSize: 1000 });
    expect(sha256(trainText(at("cut")))).toBe(sha256(trainText(at("whole"))));
  });

  it("is not taken up with other settings", async () => {
    await expect(makeIn(at("cut"), small(), { shardSize: 100, ...stopAt(300) })).rejects.toThrow();
    await expect(makeIn(at("cut"), { ...small(), seed: 8 }, { shardSize: 100 })).rejects.toThrow(
      /another dataset that was not finished/,
    );
    await expect(makeIn(at("cut"), small(), { shardSize: 50 })).rejects.toThrow(/shard size/);
  });
});

describe("a folder that is not empty", () => {
  it("is left alone", async () => {
    writeFileSync(at("mine.txt"), "mine");
    await expect(makeIn(folder, small())).rejects.toMatchObject({ code: "exists" });
    expect(readdirSync(folder)).toEqual(["mine.txt"]);
  });

  it("with the finished dataset is given back untouched, with another one refused", async () => {
    const first = await makeIn(at("a"), small());
    const before = statSync(at("a/manifest.json")).mtimeMs;
    expect(await makeIn(at("a"), small(), { shardSize: 123 })).toEqual(first);
    expect(statSync(at("a/manifest.json")).mtimeMs).toBe(before);
    await expect(makeIn(at("a"), small({ size: 999 }))).rejects.toThrow(/holds the dataset "small" \(seed 7\)/);
  });
});

describe("settings that leave too few examples", () => {
  it("end in an error that says how far it came", async () => {
    // 17 of the 20 goals are to train on, about.
    const test = testDataSettings.parse({ seen: 0 });
    const run = makeIn(at("a"), { ...toy({ distinct: true, size: 100 }, 20), test });
    await expect(run).rejects.toMatchObject({ code: "data-exhausted" });
    await expect(run).rejects.toThrow(/100 were asked for, but after \d\d of them 20000 draws/);
  });

  it("are refused before anything is written when they cannot be", async () => {
    await expect(makeIn(at("a"), small({ depth: 2 }))).rejects.toMatchObject({ code: "config" });
    expect(() => readdirSync(at("a"))).toThrow();
  });
});
