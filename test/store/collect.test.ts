// What the collector takes and what it must never take: real stores, real processes, killed ones among them.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collectGarbage } from "../../src/store/collect.ts";
import { lockSweep } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { claimStore, holdStore } from "../../src/store/users.ts";
import { noSmallDisk, onSmallDisk } from "./smallDisk.ts";

const quiet = { signal: new AbortController().signal, onWait: () => {} };
const origin = { settings: {}, inputs: {}, code: {}, machine: null };
const keyOf = (letter: string) => letter.repeat(64);
let folder: string;
let root: string;
let results: string;
let store: Store;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-collect-"));
  root = join(folder, "store");
  results = join(folder, "results");
  store = await Store.open(root);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const publish = (kind: string, letter: string, bytes = 10) =>
  store.publish(kind, keyOf(letter), origin, async (directory) => {
    await writeFile(join(directory, "data"), "x".repeat(bytes));
    return {};
  });

/** A sweep's results folder whose plan names these stages, "kind letter" each. */
function planAt(path: string, ...stages: readonly string[]): string {
  const listed = stages.map((stage) => {
    const [kind = "", letter = ""] = stage.split(" ");
    return { id: stage, kind, key: keyOf(letter), arms: ["base"] };
  });
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "plan.json"), JSON.stringify({ name: "sweep", stages: listed, arms: [] }));
  return path;
}

const collect = (changes: Partial<Parameters<typeof collectGarbage>[1]> = {}) =>
  collectGarbage(root, {
    results: [results],
    dropEarlier: false,
    olderThanMs: 0,
    delete: true,
    signal: quiet.signal,
    ...changes,
  });

const everything = () => readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
const kept = (kind: string) =>
  existsSync(join(root, kind))
    ? readdirSync(join(root, kind))
        .map((key) => key[0])
        .sort()
    : [];
const paths = ({ garbage }: Awaited<ReturnType<typeof collect>>) =>
  garbage.map(({ type, path, reason }) => `${type} ${path.replace(/([0-9a-f])\1{63}/, "$1")}: ${reason}`).sort();

describe("what no sweep uses", () => {
  beforeEach(async () => {
    for (const letter of ["a", "b", "c"]) await publish("train", letter, 1000);
    await publish("dataset", "d", 50);
    planAt(join(results, "one"), "train a", "dataset d");
    planAt(join(results, "two", "earlier", "0123"), "train b");
  });

  it("is listed by a dry run, which changes nothing", async () => {
    const before = everything();
    const found = await collect({ delete: false });
    expect(paths(found)).toEqual(["artefact train/c: no sweep uses it"]);
    expect(found.garbage[0]?.bytes).toBe(1000);
    expect(found.kept).toEqual({ artefacts: 3, bytes: 2050 });
    expect(everything()).toEqual(before);
  });

  it("goes; what plans name stays whole, that of earlier results too", async () => {
    await collect();
    expect([kept("train"), kept("dataset")]).toEqual([["a", "b"], ["d"]]);
    expect(readdirSync(join(root, "trash"))).toEqual([]);
    const found = await store.find("train", keyOf("a"));
    if (found === undefined) throw new Error("the artefact is gone");
    await store.verify(found);
  });

  it("goes with what only earlier results use, when that is asked for", async () => {
    const found = await collect({ dropEarlier: true });
    expect(paths(found)).toEqual(["artefact train/b: only earlier results use it", "artefact train/c: no sweep uses it"]);
    expect(kept("train")).toEqual(["a"]);
  });

  it("stays while it is younger than asked for", async () => {
    expect(paths(await collect({ olderThanMs: 60_000 }))).toEqual([]);
    expect(kept("train")).toEqual(["a", "b", "c"]);
  });

  it("counts a key under its own kind alone", async () => {
    planAt(join(results, "one"), "decode a", "train b", "train c", "dataset d");
    await collect();
    expect(kept("train")).toEqual(["b", "c"]);
  });

  it("never is a file that the store did not make", async () => {
    for (const path of ["notes.txt", "train/notes.txt", "mine/data", "work/mine"]) {
      mkdirSync(join(root, path, ".."), { recursive: true });
      writeFileSync(join(root, path), "mine");
    }
    await collect();
    for (const path of ["notes.txt", "train/notes.txt", "mine/data", "work/mine"])
      expect(readFileSync(join(root, path), "utf8")).toBe("mine");
  });
});

describe("work in progress", () => {
  const begin = async (letter: string) =>
    writeFileSync(join(await store.workDirectory("train", keyOf(letter)), "metrics"), "x");

  it("goes when its stage is finished or unused; that of a stage to do stays, to be gone on with", async () => {
    await publish("train", "a");
    for (const letter of ["a", "b", "c"]) await begin(letter);
    planAt(join(results, "one"), "train a", "train b");
    expect(paths(await collect())).toEqual([
      "work work/train-a: its stage is finished",
      "work work/train-c: unfinished, and no sweep uses it",
    ]);
    expect(await store.hasWork("train", keyOf("b"))).toBe(true);
  });

  it("stays, with its artefact and lock, while a living process holds the stage", async () => {
    planAt(join(results, "one"), "train b");
    await begin("c");
    await publish("train", "e");
    const locks = [];
    for (const letter of ["c", "e"]) locks.push(await lockSweep(join(root, "locks", `train-${keyOf(letter)}`)));
    const before = everything();
    expect(paths(await collect())).toEqual([]);
    expect(everything()).toEqual([...before, "locks/store", "trash"].sort());
    for (const lock of locks) await lock.release();
    expect(paths(await collect())).toHaveLength(4);
  });

  it("goes in every form that a crash leaves: drafts, locks, torn caches, probes", async () => {
    planAt(join(results, "one"), "train b");
    const script = fileURLToPath(new URL("./fixtures/dyingWriter.ts", import.meta.url));
    spawnSync(process.execPath, ["--import", "tsx", script, root, keyOf("b")]);
    mkdirSync(join(root, "cache"));
    writeFileSync(join(root, "cache", "countdown.solvable"), "whole");
    writeFileSync(join(root, "cache", "countdown.solvable.1234.tmp"), "half");
    mkdirSync(join(root, ".probe-1"));
    mkdirSync(join(root, "locks", `train-${keyOf("b")}`), { recursive: true });
    const foreign = join(root, "work", `draft-train-bbbb-00000000.1.1.x`);
    mkdirSync(foreign);
    const found = paths(await collect()).map((line) => line.replace(/draft-\S+/, "draft"));
    expect(found).toEqual([
      "cache cache/countdown.solvable.1234.tmp: half-written by a process that is gone",
      "draft work/draft left by a process that is gone",
      "leftover .probe-1: left by a process that is gone",
      "lock locks/train-b: nobody holds it",
    ]);
    expect(readdirSync(join(root, "cache"))).toEqual(["countdown.solvable"]);
    // Of another host: nobody can ask for its process, so it is given up only after a day.
    expect(existsSync(foreign)).toBe(true);
    utimesSync(foreign, 1, 1);
    expect((await collect()).garbage.map(({ type }) => type)).toEqual(["draft"]);
    expect(await store.hasWork("train", keyOf("b"))).toBe(true);
  });
});

describe("nothing is deleted", () => {
  const refused = async (code: string, message: RegExp, changes: Parameters<typeof collect>[0] = {}) => {
    await publish("train", "a");
    const before = everything();
    await expect(collect(changes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(everything().filter((path) => path.startsWith("train"))).toEqual(before.filter((path) => path.startsWith("train")));
    expect(readdirSync(join(root, "locks", "store")).filter((name) => name.startsWith("collecting"))).toEqual([]);
  };

  it.each([
    ["cut off", '{"name": "sweep", "sta'],
    ["of another kind", '{"name": "sweep"}'],
    ["with a stage that has no key", '{"name": "sweep", "stages": [{"id": "x", "kind": "train", "arms": []}]}'],
  ])("when a plan.json is %s", async (_, text) => {
    planAt(join(results, "good"));
    const bad = planAt(join(results, "bad", "earlier", "0123"));
    writeFileSync(join(bad, "plan.json"), text);
    await refused("results", new RegExp(`^${bad}/plan\\.json: cannot be read`));
    await refused("results", /Nothing was deleted/, { delete: false });
  });

  it("when there is no sweep at all", async () => {
    await refused("results", /no plan\.json of a sweep was found below .*results, so everything would go/);
    planAt(join(results, "one", "earlier", "0123"), "train a");
    await refused("results", /but earlier ones/, { dropEarlier: true });
  });

  it("when there is no store", async () => {
    await expect(
      collectGarbage(join(folder, "nowhere"), {
        results: [],
        dropEarlier: false,
        olderThanMs: 0,
        delete: true,
        signal: quiet.signal,
      }),
    ).rejects.toMatchObject({
      code: "store",
    });
    expect(existsSync(join(folder, "nowhere"))).toBe(false);
  });

  it("while a run holds the store; a dry run says who", async () => {
    planAt(join(results, "one"));
    const hold = await holdStore(root, join(results, "one"), quiet);
    await refused("store-in-use", new RegExp(`in use by process ${process.pid} on .*, since 20.*Ctrl-C keeps its work`));
    expect((await collect({ delete: false })).users.map(({ pid }) => pid)).toEqual([process.pid]);
    await hold.release();
    expect((await collect()).garbage.map(({ type }) => type)).toContain("artefact");
  });

  it("when the disk of a sweep's results is not mounted: its mount point is there and empty", async () => {
    await publish("train", "a");
    planAt(join(results, "one"));
    const disk = join(folder, "disk");
    const away = planAt(join(disk, "two"), "train a");
    await (await holdStore(root, away, quiet)).release();
    rmSync(away, { recursive: true });
    await refused("results", /cannot be seen from here.*disk\/two /);
    expect(kept("train")).toEqual(["a"]);
  });

  it("when a sweep that used the store is out of sight", async () => {
    planAt(join(results, "one"));
    const away = planAt(join(folder, "disk", "results", "two"), "train a");
    await (await holdStore(root, away, quiet)).release();
    rmSync(join(folder, "disk"), { recursive: true });
    await refused(
      "results",
      /cannot be seen from here.*disk\/results\/two \(host .*remembered in sweeps\/[0-9a-f]{16}\.json\)/,
    );
    expect((await collect({ delete: false })).unseen.map(({ folder: path }) => path)).toEqual([away]);
  });
});

describe("sweeps that the store remembers", () => {
  it("keep what they use, wherever the collector was told to look", async () => {
    await publish("train", "a");
    await publish("train", "b");
    planAt(join(results, "one"), "train a");
    const elsewhere = planAt(join(folder, "elsewhere", "two"), "train b");
    for (const path of [join(results, "one"), elsewhere]) await (await holdStore(root, path, quiet)).release();
    await collect({ results: [] });
    expect(kept("train")).toEqual(["a", "b"]);
  });

  it("are forgotten when their folder was removed", async () => {
    await publish("train", "b");
    planAt(join(results, "one"));
    const gone = planAt(join(results, "two"), "train b");
    await (await holdStore(root, gone, quiet)).release();
    rmSync(gone, { recursive: true });
    expect(paths(await collect()).filter((line) => !line.startsWith("lock"))).toEqual([
      "artefact train/b: no sweep uses it",
      expect.stringMatching(`^record sweeps/\\w+\\.json: ${gone} was removed$`),
    ]);
    expect(readdirSync(join(root, "sweeps"))).toEqual([]);
  });

  it("are found again where they lie, seen from the store, when both were moved", async () => {
    await publish("train", "a");
    await publish("train", "b");
    await (await holdStore(root, planAt(join(results, "one"), "train a"), quiet)).release();
    const moved = `${folder}-moved`;
    spawnSync("mv", [folder, moved]);
    await collectGarbage(join(moved, "store"), {
      results: [],
      dropEarlier: false,
      olderThanMs: 0,
      delete: true,
      signal: quiet.signal,
    });
    expect(readdirSync(join(moved, "store", "train"))).toEqual([keyOf("a")]);
    rmSync(moved, { recursive: true });
  });
});

describe("side by side", () => {
  const script = fileURLToPath(new URL("./fixtures/collector.ts", import.meta.url));

  it("a run of another process is named while it lives; killed, it holds up nobody", async () => {
    await publish("train", "a");
    const sweep = planAt(join(results, "one"));
    const holder = fileURLToPath(new URL("./fixtures/storeHolder.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", holder, root, sweep], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(collect()).rejects.toMatchObject({
      code: "store-in-use",
      message: expect.stringMatching(new RegExp(`process ${child.pid} on .*storeHolder`)),
    });
    child.kill("SIGKILL");
    await ended;
    await collect();
    expect(kept("train")).toEqual([]);
  });

  it("runs hold the store together; one that begins while it is being collected waits", async () => {
    const sweep = planAt(join(results, "one"));
    const [first, second] = await Promise.all([holdStore(root, sweep, quiet), holdStore(root, sweep, quiet)]);
    await Promise.all([first.release(), second.release()]);
    const claim = await claimStore(root);
    let isHeld = false;
    const told: string[] = [];
    const waiting = holdStore(root, sweep, { ...quiet, onWait: (holder) => told.push(holder) }).then((lock) => {
      isHeld = true;
      return lock;
    });
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([isHeld, told]).toEqual([false, [expect.stringContaining(`process ${process.pid} on `)]]);
    await claim.release();
    await (await waiting).release();
  });

  it("a collector that is killed at any moment leaves whole artefacts or none; the next one ends its work", async () => {
    planAt(join(results, "one"), "train 0");
    const letters = [..."0123456789abcdef"];
    for (const letter of letters) for (const kind of ["train", "decode", "grade"]) await publish(kind, letter, 20_000);
    const rest = () => ["train", "decode", "grade"].flatMap((kind) => kept(kind).map((letter) => [kind, letter] as const));
    let kills = 0;
    for (let attempt = 0; attempt < 3 && rest().length > 1; attempt++) {
      const child = spawn(process.execPath, ["--import", "tsx", script, folder], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("close", resolve));
      const atMost = rest().length - 5 * (attempt + 1);
      while (child.exitCode === null && rest().length > atMost) await new Promise((resolve) => setImmediate(resolve));
      if (child.kill("SIGKILL")) kills++;
      await ended;
      for (const [kind, letter = ""] of rest()) {
        const found = await store.find(kind, keyOf(letter));
        if (found === undefined) throw new Error(`${kind} ${letter} is half there`);
        await store.verify(found);
      }
    }
    expect(kills).toBeGreaterThan(0);
    // What a killed collector had moved and not deleted yet.
    mkdirSync(join(root, "trash", "left"), { recursive: true });
    await collect();
    expect(rest()).toEqual([["train", "0"]]);
    expect(readdirSync(join(root, "trash"))).toEqual([]);
  });

  it("of two collectors one works, the other says so or finds nothing left", async () => {
    planAt(join(results, "one"), "train 0");
    for (const letter of [..."0123"]) await publish("train", letter);
    const both = await Promise.allSettled([collect(), collect()]);
    const refusals = both.flatMap((result) => (result.status === "rejected" ? [result.reason as { code: string }] : []));
    expect(refusals.length).toBeLessThan(2);
    for (const { code } of refusals) expect(code).toBe("store-in-use");
    expect(kept("train")).toEqual(["0"]);
  });
});

const obstacle = noSmallDisk();
it.skipIf(obstacle !== undefined)(
  `a disk without a free byte is collected all the same${obstacle === undefined ? "" : ` (${obstacle})`}`,
  () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    expect(onSmallDisk(new URL("./fixtures/collector.ts", import.meta.url), disk, 8192, ["fill"])).toMatchObject({
      before: 0,
      collected: 1,
      trains: [keyOf("a")],
    });
  },
);
