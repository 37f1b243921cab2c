// backtrail store ls and gc as a user sees them: what is printed, what a script reads, what is refused.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Io } from "../../src/cli/io.ts";
import { storeCommands } from "../../src/cli/programStore.ts";
import { lockSweep } from "../../src/store/lock.ts";
import { Store } from "../../src/store/store.ts";
import { holdStore } from "../../src/store/users.ts";

const quiet = { signal: new AbortController().signal, onWait: () => {} };
const keyOf = (letter: string) => letter.repeat(64);
let folder: string;
let store: Store;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-cli-store-"));
  const root = join(folder, "results", ".store");
  store = await Store.open(root);
  for (const [kind, letter, bytes] of [
    ["train", "a", 3 * 2 ** 20],
    ["train", "b", 2048],
    ["dataset", "d", 5000],
  ] as const) {
    await store.publish(kind, keyOf(letter), { settings: {}, inputs: {}, code: {}, machine: null }, async (directory) => {
      await writeFile(join(directory, "data"), Buffer.alloc(bytes));
      return {};
    });
  }
  const stages = [
    { id: "train base", kind: "train", key: keyOf("a"), arms: ["base"] },
    { id: "data base", kind: "dataset", key: keyOf("d"), arms: ["base"] },
  ];
  for (const name of ["one", "two"]) {
    mkdirSync(join(folder, "results", name));
    writeFileSync(
      join(folder, "results", name, "plan.json"),
      JSON.stringify({ name, stages: stages.slice(0, name === "one" ? 2 : 1) }),
    );
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `backtrail store ...` from the folder that holds results/. */
async function run(...args: readonly string[]) {
  let [out, err] = ["", ""];
  let code = Number.NaN;
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    drained: async () => {},
    stdin: process.stdin,
    env: {},
    cwd: folder,
    root: folder,
    version: "0",
    outIsTerminal: false,
    errIsTerminal: false,
    width: 120,
    colour: false,
    signal: quiet.signal,
  };
  const program = new Command("backtrail");
  storeCommands(program, io, (exit) => {
    code = exit;
  });
  await program.parseAsync(["store", ...args], { from: "user" });
  return { out, err, code, lines: out.trimEnd().split("\n") };
}

describe("store ls", () => {
  it("lists the largest first with the sweeps that use each, then totals", async () => {
    const { lines, code } = await run("ls");
    expect(code).toBe(0);
    expect(lines).toEqual([
      expect.stringMatching(/^ {2}3\.0 MiB {2}train +train\/aaaaaaaaaaaa +\d min old +results\/one: train base and 1 more$/),
      expect.stringMatching(/^ {2}4\.9 KiB {2}dataset +dataset\/dddddddddddd +\d min old +results\/one: data base$/),
      expect.stringMatching(/^ {2}2\.0 KiB {2}train +train\/bbbbbbbbbbbb +\d min old +no sweep uses it$/),
      "train: 2, 3.0 MiB",
      "dataset: 1, 4.9 KiB",
      expect.stringMatching(/^results\/\.store: 3\.0 MiB; .+ free on its disk$/),
    ]);
  });

  it("tells who works on what, what a crash left, and what cannot be read", async () => {
    writeFileSync(join(await store.workDirectory("train", keyOf("c")), "metrics.jsonl"), "x".repeat(700));
    writeFileSync(join(await store.workDirectory("train", keyOf("e")), "metrics.jsonl"), "x".repeat(600));
    const lock = await lockSweep(join(store.root, "locks", `train-${keyOf("c")}`));
    mkdirSync(join(store.root, "work", "draft-train-ffff-00000000.1.1.x"));
    writeFileSync(join(store.root, "dataset", keyOf("d"), "manifest.json"), "{");
    const hold = await holdStore(store.root, join(folder, "results", "one"), quiet);
    const { out } = await run("ls");
    expect(out).toMatch(new RegExp(`700 B +work +work/train-cccccccccccc .*in progress, process ${process.pid} on`));
    expect(out).toMatch(/600 B {2}work .*interrupted/);
    expect(out).toMatch(/0 B {2}draft .*being written/);
    expect(out).toMatch(/4\.9 KiB {2}dataset .*results\/one: data base; manifest\.json is not there or cannot be read/);
    expect(out).toMatch(new RegExp(`\\nin use by process ${process.pid} on .+, since 20`));
    await lock.release();
    await hold.release();
  });

  it("gives a script the same in bytes, whole keys and times", async () => {
    const { items, totals } = z
      .object({ items: z.array(z.record(z.string(), z.unknown())), totals: z.unknown() })
      .parse(JSON.parse((await run("ls", "--json", "--kind", "train")).out));
    expect(totals).toEqual({ train: { count: 2, bytes: 3 * 2 ** 20 + 2048 } });
    expect(items[0]).toEqual({
      kind: "train",
      key: keyOf("a"),
      path: `train/${keyOf("a")}`,
      bytes: 3 * 2 ** 20,
      madeAt: expect.stringMatching(/^20.*Z$/),
      usedBy: ["results/one: train base", "results/two: train base"],
      note: "",
    });
  });

  it("goes on past a plan.json that cannot be read, and says so", async () => {
    writeFileSync(join(folder, "results", "two", "plan.json"), "{");
    const { lines, err } = await run("ls");
    expect(lines[0]).toMatch(/results\/one: train base$/);
    expect(err).toMatch(/results\/two\/plan\.json: cannot be read/);
  });

  it.each([
    [["ls", "--store", "nowhere"], "store", /nowhere: there is no store here\. Give its folder with --store/],
    [["ls", "--results", "nowhere"], "file", /--results: there is no folder nowhere/],
    [["ls", "--kind", "trian"], "usage", /--kind: this store holds no trian\. It holds: dataset, train\./],
    [["gc", "--older-than", "7 days"], "usage", /--older-than: expected a number and m, h or d .*found "7 days"/],
  ] as const)("%j is refused in a sentence", async (args, code, message) => {
    await expect(run(...args)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe("store gc", () => {
  it("shows what would go, and deletes it only when told to", async () => {
    const { lines, code } = await run("gc");
    expect(code).toBe(0);
    expect(lines).toEqual([
      expect.stringMatching(/^ {2}2\.0 KiB {2}artefact +train\/bbbbbbbbbbbb +\d min old +no sweep uses it$/),
      "results/.store: 1 item, 2.0 KiB to delete; 2 plans keep 2 artefacts, 3.0 MiB. Nothing was deleted: this is a dry run. --delete deletes.",
    ]);
    expect(readdirSync(join(store.root, "train"))).toHaveLength(2);
    const deleted = await run("gc", "--delete");
    expect(deleted.lines[1]).toBe("results/.store: 1 item, 2.0 KiB deleted; 2 plans keep 2 artefacts, 3.0 MiB");
    expect(readdirSync(join(store.root, "train"))).toEqual([keyOf("a")]);
    expect((await run("gc", "--delete")).lines).toEqual([
      "results/.store: 0 items, 0 B deleted; 2 plans keep 2 artefacts, 3.0 MiB",
    ]);
  });

  it("takes an age and several results folders", async () => {
    expect((await run("gc", "--older-than", "0.5h")).lines).toHaveLength(1);
    mkdirSync(join(folder, "more"));
    const stages = [{ id: "train more", kind: "train", key: keyOf("b"), arms: ["base"] }];
    writeFileSync(join(folder, "more", "plan.json"), JSON.stringify({ name: "more", stages }));
    expect((await run("gc", "--results", "results", "--results", "more")).out).toMatch(
      /^results\/\.store: 0 items.*3 plans keep 3/,
    );
  });

  it("gives a script what it found and whether it was deleted", async () => {
    const found: unknown = JSON.parse((await run("gc", "--json")).out);
    expect(found).toMatchObject({
      store: store.root,
      sweeps: [join(folder, "results", "one"), join(folder, "results", "two")],
      garbage: [{ type: "artefact", path: `train/${keyOf("b")}`, bytes: 2048, reason: "no sweep uses it" }],
      bytes: 2048,
      kept: { artefacts: 2, bytes: 3 * 2 ** 20 + 5000 },
      users: [],
      unseen: [],
      deleted: false,
    });
    expect(JSON.parse((await run("gc", "--json", "--delete")).out)).toMatchObject({ deleted: true, bytes: 2048 });
  });

  it("says in a dry run what would keep it from deleting", async () => {
    const hold = await holdStore(store.root, join(folder, "results", "one"), quiet);
    expect((await run("gc")).out).toMatch(
      new RegExp(`In use by process ${process.pid} .*: --delete will refuse until it has ended\\.`),
    );
    await expect(run("gc", "--delete")).rejects.toMatchObject({ code: "store-in-use" });
    await hold.release();
  });
});
