// The store on real folders: publish by rename, find, verify, crashes, changes by hand, disks that are full or read-only.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digest, sha256 } from "../../src/lib/hash.ts";
import { type Artefact, Store } from "../../src/store/store.ts";

const key = "a".repeat(64);
const origin = { settings: { size: 3 }, inputs: {}, code: { backtrail: "1" }, machine: { host: "here" } };
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "backtrail-store-"));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(files: Readonly<Record<string, string>>) {
  return async (directory: string) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), text);
    }
    return { files: Object.keys(files).length };
  };
}

const drafts = () => readdirSync(join(root, "work")).filter((name) => name.startsWith("draft-"));

describe("publish", () => {
  it("makes an artefact that find gives back, with all that went into it", async () => {
    const store = await Store.open(root);
    expect(await store.find("dataset", key)).toBeUndefined();
    const input = await store.publish("problems", "b".repeat(64), origin, write({ "seen.jsonl": "x\n" }));
    const made = await store.publish(
      "dataset",
      key,
      { ...origin, inputs: { problems: input } },
      write({ "shard.jsonl": "one\n", "checkpoint/config.json": "{}" }),
    );
    expect(made.manifest).toMatchObject({
      kind: "dataset",
      key,
      settings: { size: 3 },
      inputs: { problems: input.key },
      inputDigests: { problems: input.manifest.digest },
      files: {
        "shard.jsonl": { sha256: sha256("one\n"), bytes: 4 },
        "checkpoint/config.json": { sha256: sha256("{}"), bytes: 2 },
      },
      code: { backtrail: "1" },
      machine: { host: "here" },
      summary: { files: 2 },
    });
    expect(made.manifest.digest).toBe(digest(made.manifest.files));
    expect(await (await Store.open(root)).find("dataset", key)).toEqual(made);
    await store.verify(made);
    expect(await store.list("dataset")).toEqual([made.manifest]);
    expect(drafts()).toEqual([]);
  });

  it("returns the first artefact when the same key is published twice at once", async () => {
    const store = await Store.open(root);
    const other = await Store.open(root);
    const [a, b] = await Promise.all([
      store.publish("train", key, origin, write({ a: "1" })),
      other.publish("train", key, origin, write({ a: "2" })),
    ]);
    expect(a.manifest).toEqual(b.manifest);
    await store.verify(a);
    expect(drafts()).toEqual([]);
  });

  it("leaves nothing behind when the stage fails, and gives its error on unchanged", async () => {
    const store = await Store.open(root);
    const bug = new Error("the stage's own");
    const failing = store.publish("train", key, origin, async (directory) => {
      await writeFile(join(directory, "half"), "x");
      throw bug;
    });
    await expect(failing).rejects.toBe(bug);
    expect(await store.find("train", key)).toBeUndefined();
    expect(drafts()).toEqual([]);
  });
});

describe("a crash", () => {
  it("in the middle of publishing leaves no artefact; the draft is cleared, the work goes on", async () => {
    const script = fileURLToPath(new URL("./fixtures/dyingWriter.ts", import.meta.url));
    const child = spawnSync(process.execPath, ["--import", "tsx", script, root, key], { encoding: "utf8" });
    expect(child.signal).toBe("SIGKILL");
    expect(drafts()).toHaveLength(1);
    const store = await Store.open(root);
    expect(drafts()).toEqual([]);
    expect(await store.find("train", key)).toBeUndefined();
    expect(await store.hasWork("train", key)).toBe(true);
    const work = await store.workDirectory("train", key);
    expect(readFileSync(join(work, "progress"), "utf8")).toBe("step 7");
    await store.publish("train", key, origin, write({ weights: "whole" }));
    await store.discardWork("train", key);
    expect(await store.hasWork("train", key)).toBe(false);
    expect(existsSync(work)).toBe(false);
  });

  it("of another process does not clear the draft of this one", async () => {
    const store = await Store.open(root);
    const made = await store.publish("train", key, origin, async (directory) => {
      await Store.open(root);
      await writeFile(join(directory, "weights"), "whole");
      return null;
    });
    await store.verify(made);
  });
});

describe("a file changed by hand", () => {
  let store: Store;
  let made: Artefact;

  beforeEach(async () => {
    store = await Store.open(root);
    made = await store.publish("dataset", key, origin, write({ "shard.jsonl": "one\n" }));
  });

  it("is found by its size at once", async () => {
    writeFileSync(join(made.directory, "shard.jsonl"), "longer\n");
    const path = join(made.directory, "shard.jsonl");
    await expect(store.find("dataset", key)).rejects.toMatchObject({
      code: "artefact-changed",
      message: expect.stringContaining(`${path}: has another size`),
    });
  });

  it("is found by its digest when the size is the same", async () => {
    writeFileSync(join(made.directory, "shard.jsonl"), "two\n");
    await expect(store.verify((await store.find("dataset", key)) as Artefact)).rejects.toThrow(
      /shard\.jsonl: was changed after it was made.*Remove its folder/,
    );
  });

  it("is missed when it is gone", async () => {
    rmSync(join(made.directory, "shard.jsonl"));
    await expect(store.find("dataset", key)).rejects.toThrow(/shard\.jsonl: is gone/);
    await expect(store.verify(made)).rejects.toMatchObject({ code: "artefact-changed" });
  });

  it("is named when it is the manifest", async () => {
    writeFileSync(join(made.directory, "manifest.json"), "{");
    await expect(store.find("dataset", key)).rejects.toMatchObject({
      code: "artefact-changed",
      message: expect.stringContaining("manifest.json"),
    });
    await expect(store.list("dataset")).rejects.toMatchObject({ code: "artefact-changed" });
  });
});

describe("a place where no store can be", () => {
  const refusal = (path: string, message: RegExp) =>
    expect.objectContaining({ code: "store", message: expect.stringMatching(new RegExp(`^${path}.*: ${message.source}`)) });

  it("a file, or a folder under a file", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    await expect(Store.open(file)).rejects.toEqual(refusal(file, /a part of the path is a file/));
    await expect(Store.open(join(file, "below"))).rejects.toEqual(refusal(file, /a part of the path is a file/));
    expect(await Store.openExisting(file)).toBeUndefined();
    expect(await Store.openExisting(join(root, "nowhere"))).toBeUndefined();
  });

  it.runIf(process.getuid?.() !== 0)("a folder that may not be written to", async () => {
    const folder = join(root, "closed");
    mkdirSync(folder);
    chmodSync(folder, 0o555);
    await expect(Store.open(folder)).rejects.toEqual(refusal(folder, /permission denied/));
  });

  // Only root may mount; elsewhere files.test.ts holds the sentences and /dev/full stands in for the full disk.
  describe.runIf(canMount())("a disk", () => {
    let disk: string;
    beforeEach(() => {
      disk = join(root, "disk");
      mkdirSync(disk);
      spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    });
    afterEach(() => {
      spawnSync("umount", [disk]);
    });

    it("that is read-only", async () => {
      spawnSync("mount", ["-o", "remount,ro", disk]);
      await expect(Store.open(disk)).rejects.toEqual(refusal(disk, /the file system is read-only/));
    });

    it("that is full: no artefact, the space given back, and the next try succeeds", async () => {
      const store = await Store.open(disk);
      await expect(store.publish("train", key, origin, write({ weights: "x".repeat(100_000) }))).rejects.toEqual(
        refusal(disk, /the disk is full/),
      );
      expect(await store.find("train", key)).toBeUndefined();
      await store.verify(await store.publish("train", key, origin, write({ weights: "small" })));
    });
  });
});

function canMount(): boolean {
  const trial = mkdtempSync(join(tmpdir(), "backtrail-mount-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", trial]).status === 0;
  if (mounted) spawnSync("umount", [trial]);
  rmSync(trial, { recursive: true, force: true });
  return mounted;
}

describe("exclusively", () => {
  const quiet = { signal: new AbortController().signal, onWait: () => {} };
  const key = "e".repeat(64);
  const origin = { settings: {}, inputs: {}, code: {}, machine: {} };

  it("lets one maker work at a time; who waited gets the artefact of the other", async () => {
    const root = mkdtempSync(join(tmpdir(), "backtrail-exclusive-"));
    const store = await Store.open(root);
    let makers = 0;
    const make = async () => {
      makers++;
      return store.publish("train", key, origin, async () => ({ maker: makers }));
    };
    const told: unknown[] = [];
    const both = await Promise.all([
      store.exclusively("train", key, quiet, make),
      store.exclusively("train", key, { ...quiet, onWait: (holder) => told.push(holder) }, make),
    ]);
    expect(makers).toBe(1);
    expect(both.map(({ manifest }) => manifest.summary)).toEqual([{ maker: 1 }, { maker: 1 }]);
  });

  it("clears what a crash left of a finished stage, and gives up the lock when the maker throws", async () => {
    const store = await Store.open(mkdtempSync(join(tmpdir(), "backtrail-exclusive-")));
    const failing = () => Promise.reject(new Error("no"));
    await expect(store.exclusively("train", key, quiet, failing)).rejects.toThrow("no");
    await store.exclusively("train", key, quiet, () => store.publish("train", key, origin, async () => null));
    await store.workDirectory("train", key);
    await store.exclusively("train", key, quiet, failing);
    expect(await store.hasWork("train", key)).toBe(false);
  });
});
