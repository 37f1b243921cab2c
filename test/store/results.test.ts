// Results of earlier configurations are kept, and folders of the user's are never overwritten.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyInto, createDirectory, keepEarlier, keepOnly } from "../../src/store/results.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backtrail-results-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [a, b] = ["a".repeat(64), "b".repeat(64)];
const read = (...names: string[]) => readFileSync(join(folder, ...names), "utf8");
/** What a run of that configuration leaves; `mark` tells one run from another. */
function results(digest: string, mark: string) {
  writeFileSync(join(folder, "config.resolved.json"), JSON.stringify({ digest }));
  for (const name of ["plan.json", "summary.json", "results.csv", "report.html"]) writeFileSync(join(folder, name), mark);
}

describe("keepEarlier", () => {
  it("has nothing to keep in a new folder, and nothing to move for the same configuration", async () => {
    expect(await keepEarlier(join(folder, "none"), a, "first")).toBeUndefined();
    results(a, "first");
    expect(await keepEarlier(folder, a, "first")).toBeUndefined();
    expect(read("summary.json")).toBe("first");
  });

  it("moves results of another plan of the same configuration: its model was changed, or the machine is another", async () => {
    results(a, "{}");
    expect(await keepEarlier(folder, a, "[]")).toBe(join("earlier", "a".repeat(12)));
    expect(read("earlier", "a".repeat(12), "summary.json")).toBe("{}");
    expect(read("earlier", "a".repeat(12), "plan.json")).toBe("{}");
  });

  it("leaves a damaged plan of the same configuration to be written anew: `store gc` asks for that", async () => {
    results(a, "{torn");
    expect(await keepEarlier(folder, a, "[]")).toBeUndefined();
  });

  it("moves the results of another configuration, and nothing that is not a result", async () => {
    results(a, "first");
    writeFileSync(join(folder, "notes.txt"), "mine");
    expect(await keepEarlier(folder, b, "next")).toBe(join("earlier", "a".repeat(12)));
    expect(readdirSync(folder).sort()).toEqual(["earlier", "notes.txt"]);
    expect(read("earlier", "a".repeat(12), "report.html")).toBe("first");
    expect(JSON.parse(read("earlier", "a".repeat(12), "config.resolved.json"))).toEqual({ digest: a });
  });

  it("never overwrites what it kept before, however often two configurations take turns", async () => {
    const kept: (string | undefined)[] = [];
    for (const mark of ["first", "second", "third"]) {
      results(a, mark);
      kept.push(await keepEarlier(folder, b, "next"));
    }
    expect(kept).toEqual(["", "-2", "-3"].map((suffix) => join("earlier", `${"a".repeat(12)}${suffix}`)));
    expect(kept.map((name) => read(name as string, "summary.json"))).toEqual(["first", "second", "third"]);
  });

  it("takes up a move that was interrupted: the configuration goes last", async () => {
    results(a, "first");
    const target = join("earlier", "a".repeat(12));
    mkdirSync(join(folder, target), { recursive: true });
    rmSync(join(folder, "summary.json"));
    writeFileSync(join(folder, target, "summary.json"), "first");
    expect(await keepEarlier(folder, b, "next")).toBe(target);
    expect(readdirSync(join(folder, target)).sort()).toEqual(
      ["config.resolved.json", "plan.json", "report.html", "results.csv", "summary.json"].sort(),
    );
  });

  it.each(["{torn", "{}", '{"digest": "../../elsewhere"}', "null"])("keeps results whose configuration is %s", async (text) => {
    results(a, "first");
    writeFileSync(join(folder, "config.resolved.json"), text);
    expect(await keepEarlier(folder, b, "next")).toBe(join("earlier", "unreadable"));
    expect(read("earlier", "unreadable", "config.resolved.json")).toBe(text);
  });

  it("names a file that stands in the way", async () => {
    results(a, "first");
    writeFileSync(join(folder, "earlier"), "");
    await expect(keepEarlier(folder, b, "next")).rejects.toMatchObject({
      code: "store",
      message: expect.stringContaining("earlier"),
    });
    expect(read("summary.json")).toBe("first");
  });
});

describe("createDirectory", () => {
  it("makes a folder with its parents, and is content with an empty one", async () => {
    await createDirectory(join(folder, "x", "y"), "--out x/y");
    await createDirectory(join(folder, "x", "y"), "--out x/y");
    expect(readdirSync(join(folder, "x"))).toEqual(["y"]);
  });

  it("refuses one that holds anything, and a file, by the option's name", async () => {
    writeFileSync(join(folder, "data.txt"), "");
    await expect(createDirectory(folder, "--out here")).rejects.toMatchObject({
      code: "exists",
      message: expect.stringMatching(/^--out here: the folder is not empty \(it holds data\.txt\)/),
    });
    await expect(createDirectory(join(folder, "data.txt"), "--out data.txt")).rejects.toMatchObject({
      code: "store",
      message: expect.stringMatching(/^--out data\.txt: /),
    });
  });
});

it("copyInto makes the folder of its target", async () => {
  writeFileSync(join(folder, "from"), "text");
  await copyInto(join(folder, "from"), join(folder, "a", "b", "to"));
  expect(read("a", "b", "to")).toBe("text");
});

it("keepOnly removes what a killed worker left half-written beside the checkpoint", async () => {
  mkdirSync(join(folder, "checkpoint"));
  mkdirSync(join(folder, "checkpoint.partial-17"));
  writeFileSync(join(folder, "checkpoint.partial-17", "model.safetensors"), "torn");
  await keepOnly(folder, ["checkpoint"]);
  expect(readdirSync(folder)).toEqual(["checkpoint"]);
});
