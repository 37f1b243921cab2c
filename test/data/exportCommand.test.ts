// data import and data export as a user calls them, on a disk.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type DataExportFlags, dataExportCommand } from "../../src/cli/dataExport.ts";
import { type DataImportFlags, dataImportCommand } from "../../src/cli/dataImport.ts";
import type { Io } from "../../src/cli/io.ts";
import { exportTargets } from "../../src/data/exportTargets.ts";
import { realPython } from "../python/pythons.ts";
import { filesIn, rowsOf } from "./fixtures/memory.ts";

const folder = mkdtempSync(join(tmpdir(), "backtrail-data-"));
let printed = "";
const io: Io = {
  out: (text) => {
    printed += text;
  },
  err: () => undefined,
  drained: () => Promise.resolve(),
  stdin: process.stdin,
  env: {},
  cwd: folder,
  root: folder,
  version: "0.0.0-test",
  outIsTerminal: false,
  errIsTerminal: false,
  width: 100,
  colour: false,
  signal: new AbortController().signal,
};

const importing = (source: string, out: string, flags: Partial<DataImportFlags> = {}) =>
  dataImportCommand(io, source, { from: "self-backtracking", out, file: [], allow: [], solve: false, json: false, ...flags });
const exporting = (to: string, out: string, flags: Partial<DataExportFlags> = {}) =>
  dataExportCommand(io, "set", { to, out, json: false, ...flags });

const problem = { nums: [45, 39, 2, 10], target: 62 };

beforeAll(async () => {
  mkdirSync(join(folder, "published/deep"), { recursive: true });
  const train = [
    { ...problem, search_path: "45-39=6\n10*6=60\n2+60=62\nGoal Reached!" },
    { ...problem, search_path: "45-39=6\n39+6=45\n<backtrack>" },
    { ...problem, search_path: "nonsense" },
  ];
  writeFileSync(join(folder, "published/deep/train_backtrack.json"), JSON.stringify(train));
  writeFileSync(join(folder, "published/val_backtrack.json"), JSON.stringify([problem, { nums: [1, 2, 3, 4], target: 10 }]));
  expect(await importing("published", "set")).toBe(0);
});

describe("data import", () => {
  it("writes shards, test files, a report and a manifest with their digests", () => {
    const files = filesIn(join(folder, "set"));
    expect(Object.keys(files)).toEqual([
      "manifest.json",
      "report.json",
      "test-seen.jsonl",
      "test-unseen.jsonl",
      "train-00000.jsonl",
    ]);
    const manifest = JSON.parse(files["manifest.json"] ?? "");
    expect(manifest).toMatchObject({ kind: "dataset", puzzle: { kind: "countdown" }, train: { format: "self-backtracking" } });
    const sha256 = createHash("sha256")
      .update(files["train-00000.jsonl"] ?? "")
      .digest("hex");
    expect(manifest.shards).toEqual([
      { name: "train-00000.jsonl", rows: 2, bytes: files["train-00000.jsonl"]?.length, sha256 },
    ]);
    expect(JSON.parse(files["report.json"] ?? "")).toMatchObject({ records: 5, examples: 2, problems: 2, rejected: 1 });
  });

  it("fails where nothing could be taken, and leaves the folder for another try", async () => {
    await expect(importing("published", "wrong", { from: "shortestpath" })).rejects.toMatchObject({
      code: "import",
      message: expect.stringContaining("Is --from shortestpath right"),
    });
    expect(Object.keys(filesIn(join(folder, "wrong")))).toEqual([]);
  });

  it("refuses flags it does not know, offering what is near, and a folder in use", async () => {
    await expect(importing("published", "x", { from: "sudoku-kagle" })).rejects.toThrow('Did you mean "sudoku-kaggle"?');
    await expect(importing("published", "x", { format: "sos" })).rejects.toThrow("expected self-backtracking; found");
    await expect(importing("published", "x", { allow: ["arithmetics"] })).rejects.toThrow('Did you mean "arithmetic"?');
    await expect(importing("published", "x", { limit: "-1" })).rejects.toThrow("--limit: expected a whole number");
    await expect(importing("nowhere", "x")).rejects.toThrow("nowhere: there is no such file or folder");
    await expect(importing("published", "set")).rejects.toMatchObject({ code: "exists" });
    expect(existsSync(join(folder, "x"))).toBe(false);
  });
});

describe("data export", () => {
  it.each(exportTargets.filter((target) => target !== "sos"))(
    "%s: a card that tells each file's rows and digest",
    async (target) => {
      expect(await exporting(target, target, { license: "cc-by-4.0" })).toBe(0);
      const root = join(folder, target);
      const { "README.md": card = "", ...files } = filesIn(root);
      const [, head = "", body = ""] = card.split(/^---$/m);
      expect(parse(head)).toMatchObject({ pretty_name: "set", license: "cc-by-4.0", size_categories: ["n<1K"] });
      const listed = parse(head).configs.flatMap((config: { data_files: { path: string[] }[] }) =>
        config.data_files.flatMap(({ path }) => path),
      );
      expect(listed.sort()).toEqual(Object.keys(files));
      for (const path of listed) {
        const sha256 = createHash("sha256")
          .update(readFileSync(join(root, path)))
          .digest("hex");
        expect(body).toMatch(new RegExp(`\\| ${path.replaceAll(".", "\\.")} \\|.*\\| ${sha256} \\|`));
      }
      expect(body).toContain("| self-backtracking | rule | 1 |");
      expect(body).toContain("arXiv:2502.04404");
      expect(body.includes("1 examples train on a part of their response only")).toBe(target === "trl");
    },
  );

  it("says that no licence was chosen", async () => {
    await exporting("trl", "unlicensed");
    const card = readFileSync(join(folder, "unlicensed/README.md"), "utf8");
    expect(card).toContain("license: unknown");
    expect(card).toContain("No licence was chosen");
  });

  it("ends axolotl's texts with the token it is told", async () => {
    await exporting("axolotl", "ended", { endOfText: "<|end_of_text|>" });
    const rows = rowsOf(readFileSync(join(folder, "ended/train.jsonl"), "utf8")) as { segments: object[] }[];
    expect(rows.map(({ segments }) => segments.at(-1))).toEqual(rows.map(() => ({ label: true, text: "<|end_of_text|>" })));
    await expect(exporting("trl", "x", { endOfText: "</s>" })).rejects.toThrow("only --to axolotl");
  });

  it("prints what it wrote as JSON", async () => {
    printed = "";
    await exporting("trl", "told", { json: true });
    expect(JSON.parse(printed)).toMatchObject({
      to: "trl",
      files: [{ path: "train.jsonl", rows: 2 }, { rows: 1 }, { rows: 1 }],
    });
  });

  it("refuses what cannot be said, and overwrites nothing", async () => {
    await expect(exporting("parket", "x")).rejects.toThrow('Did you mean "parquet"?');
    await expect(exporting("sos", "x")).rejects.toThrow("expected a dataset of format sos or think, found self-backtracking");
    expect(existsSync(join(folder, "x"))).toBe(false);
    await expect(exporting("trl", "told")).rejects.toMatchObject({ code: "exists" });
  });

  it("never exports a part of a dataset as if it were all of it", async () => {
    const copyWithout = (name: string) => {
      cpSync(join(folder, "set"), join(folder, `without-${name}`), { recursive: true });
      rmSync(join(folder, `without-${name}`, name));
      return dataExportCommand(io, `without-${name}`, { to: "trl", out: "part", json: false });
    };
    for (const name of ["train-00000.jsonl", "test-seen.jsonl"]) {
      await expect(copyWithout(name)).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringContaining(`the manifest names ${name}, but it is not there`),
      });
    }
    await expect(copyWithout("manifest.json")).rejects.toMatchObject({ code: "unfinished" });
    expect(existsSync(join(folder, "part"))).toBe(false);
  });

  it("exports problems alone, as they were imported", async () => {
    expect(await importing("published/val_backtrack.json", "alone")).toBe(0);
    expect(await dataExportCommand(io, "alone", { to: "trl", out: "alone-trl", json: false })).toBe(0);
    expect(rowsOf(filesIn(join(folder, "alone-trl"))["test-val.jsonl"])).toHaveLength(2);
  });
});

const hasPyArrow = (() => {
  try {
    execFileSync(realPython, ["-c", "import pyarrow.parquet"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

// pyarrow is what pandas and Hugging Face's datasets read Parquet with; it is no part of our own environment.
describe.runIf(hasPyArrow)("Parquet in Python (skipped where .venv has no pyarrow)", () => {
  it("gives the rows with their types", async () => {
    await exporting("parquet", "for-python");
    const script = "import json, sys, pyarrow.parquet as p; print(json.dumps(p.read_table(sys.argv[1]).to_pylist()))";
    const read = execFileSync(realPython, ["-c", script, join(folder, "for-python/data/train-00000-of-00001.parquet")], {
      encoding: "utf8",
    });
    const expected = rowsOf(readFileSync(join(folder, "set/train-00000.jsonl"), "utf8")).map((row) => ({
      ...row,
      problem: JSON.stringify(row.problem),
      solved: null,
      nodes: null,
      solution: null,
    }));
    expect(JSON.parse(read)).toEqual(expected);
  });
});
