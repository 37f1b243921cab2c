import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Example } from "../../src/data/example.ts";
import { type ImportOptions, importDataset } from "../../src/data/importDataset.ts";
import { type Publication, publications } from "../../src/data/importPublished.ts";
import { ImportReport } from "../../src/data/importReport.ts";
import { chooseFiles, type SourceFile, splitName } from "../../src/data/importSource.ts";
import { parquetBytes } from "../../src/data/parquetWrite.ts";
import { exampleError } from "../../src/data/verifyExample.ts";
import { readProblem } from "../../src/puzzle/registry.ts";
import { findFormat } from "../../src/trace/registry.ts";
import { filesIn, listFile, memoryFile, rowsOf } from "./fixtures/memory.ts";

interface Imported {
  readonly files: Record<string, string>;
  readonly train: Record<string, unknown>[];
  readonly report: ReturnType<ImportReport["json"]> & Record<string, unknown>;
  readonly lines: readonly string[];
}

/** What `data verify` finds wrong with an example. */
function verifyError(example: Example): string | undefined {
  const { puzzle, problem } = readProblem(example.problem);
  return exampleError(puzzle, findFormat(puzzle.name, example.format), problem, example);
}

async function importAll(from: string, files: readonly SourceFile[], options: Partial<ImportOptions> = {}): Promise<Imported> {
  const folder = mkdtempSync(join(tmpdir(), "backtrail-import-"));
  const publication = publications[from] as Publication;
  const report = new ImportReport();
  const settings: ImportOptions = {
    publication,
    format: Object.keys(publication.formats)[0] as string,
    allow: new Set(),
    skip: 0,
    limit: Number.POSITIVE_INFINITY,
    solve: false,
    shardSize: 1000,
    signal: new AbortController().signal,
    ...options,
  };
  const written = await importDataset(chooseFiles(files, "source", []), folder, settings, report);
  const content = filesIn(folder);
  expect([...written.shards, ...written.tests].map(({ name }) => name).sort()).toEqual(Object.keys(content));
  const train = written.shards.flatMap(({ name }) => rowsOf(content[name]));
  if (settings.allow.size === 0) for (const row of train) expect(verifyError(row as unknown as Example)).toBeUndefined();
  return { files: content, train, report: report.json() as Imported["report"], lines: report.lines() };
}

const paper = { nums: [45, 39, 2, 10], target: 62 };
// The two texts are the worked case of the paper; the others are the same with a slip.
const selfBacktracking = listFile("train_backtrack.json", [
  { ...paper, search_path: "45-39=6\n10*6=60\n2+60=62\nGoal Reached!" },
  { ...paper, search_path: "45-39=6\n39+6=45\n<backtrack>\n" },
  { ...paper, search_path: "45-39=6\n10*6=61\n<backtrack>" },
  { ...paper, search_path: "45-39=6\n10+6=16\n<backtrack>" },
  { ...paper, search_path: "45-39=7\n10*7=70\n<backtrack>" },
  { ...paper, search_path: "45-39=6\n10*6=60\n2+60=63\nGoal Reached!" },
  { ...paper, search_path: "45-39=6, 10*6=60" },
  { target: 62, search_path: "" },
  { nums: [1, -2], target: 3, search_path: "1+2=3\nGoal Reached!" },
]);
const validation = listFile("val_backtrack.json", [
  { nums: [2, 3, 4, 5], target: 62, search_path: "" },
  { nums: [2, 3, 4, 5], target: 14, search_path: null },
]);

describe("import of self-backtracking", () => {
  it("takes right examples with the published mask and names what was done to them", async () => {
    const { train } = await importAll("self-backtracking", [validation, selfBacktracking]);
    expect(train.map(({ id, origin, spans }) => [id, origin, spans])).toEqual([
      ["train-0000000", "optimal", [[0, 37]]],
      [
        "train-0000001",
        "rule",
        [
          [0, 8],
          [16, 27],
        ],
      ],
      [
        "train-0000002",
        "arithmetic",
        [
          [0, 8],
          [16, 27],
        ],
      ],
      [
        "train-0000003",
        "exploration",
        [
          [0, 8],
          [16, 27],
        ],
      ],
    ]);
    expect(train[1]).toEqual({
      id: "train-0000001",
      problem: { puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 },
      prompt: "###Question: numbers [45, 39, 2, 10]->target 62\n###Response:\n",
      response: "45-39=6\n39+6=45\n<backtrack>",
      spans: [
        [0, 8],
        [16, 27],
      ],
      trainEnd: true,
      format: "self-backtracking",
      solver: "exhaustive",
      origin: "rule",
    });
  });

  it("splits test problems by whether their target was trained on", async () => {
    const { files } = await importAll("self-backtracking", [validation, selfBacktracking]);
    expect(rowsOf(files["test-seen.jsonl"])).toEqual([
      {
        id: "seen-00000",
        split: "seen",
        problem: { puzzle: "countdown", numbers: [2, 3, 4, 5], target: 62 },
        prompt: "###Question: numbers [2, 3, 4, 5]->target 62\n###Response:\n",
      },
    ]);
    expect(rowsOf(files["test-unseen.jsonl"]).map(({ id }) => id)).toEqual(["unseen-00000"]);
    const alone = await importAll("self-backtracking", [validation]);
    expect(Object.keys(alone.files)).toEqual(["test-val.jsonl"]);
  });

  it("reports what was rejected, by the first error that counts, with the places", async () => {
    const { report, lines } = await importAll("self-backtracking", [selfBacktracking]);
    expect(report).toMatchObject({ records: 9, examples: 4, problems: 0, rejected: 5, solved: 1 });
    expect(report.origins).toEqual({ optimal: 1, rule: 1, arithmetic: 1, exploration: 1 });
    const rejections = report.rejections as Record<string, { records: number; first: { record: number; message: string }[] }>;
    expect(
      Object.entries(rejections).map(([kind, { records, first }]) => [kind, records, first.map(({ record }) => record)]),
    ).toEqual([
      ["arithmetic", 2, [5, 6]],
      ["format", 1, [7]],
      ["record", 1, [8]],
      ["problem", 1, [9]],
    ]);
    expect(rejections.record?.first[0]?.message).toContain("record.nums");
    expect(lines[0]).toBe(
      "9 records: 4 examples (optimal 1, rule 1, arithmetic 1, exploration 1), 0 problems alone, 1 texts solved",
    );
    expect(lines[1]).toContain("rejected 2: arithmetic, first train_backtrack.json record 5");
  });

  it("counts where the published checker differs from ours", async () => {
    // 7/2 is no integer; the published checker divides with the remainder thrown away.
    const floor = { nums: [7, 2], target: 3, search_path: "7/2=3\nGoal Reached!" };
    const { report } = await importAll("self-backtracking", [listFile("train.json", [floor])]);
    expect(report.compat).toEqual({ sb: { both: 0, strictOnly: 0, compatOnly: 1, neither: 0, differ: { arithmetic: 1 } } });
  });

  it("asks that all numbers are used, and that a wrong last step is of a kind that the paper names", async () => {
    const rows = [
      { nums: [2, 3, 9], target: 5, search_path: "2+3=5\nGoal Reached!" },
      { nums: [2, 3, 9], target: 5, search_path: "2-3=-1\n<backtrack>" },
    ];
    const { report } = await importAll("self-backtracking", [listFile("train.json", rows)]);
    expect(report.rejections).toMatchObject({ "numbers-left": { records: 1 }, rule: { records: 1 } });
  });

  it("takes texts with errors that are allowed", async () => {
    // The sixth also declares a false goal.
    const { train, report } = await importAll("self-backtracking", [selfBacktracking], { allow: new Set(["arithmetic"]) });
    expect(train.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4].map((place) => `train-000000${place}`));
    expect(report).toMatchObject({ examples: 5, rejected: 4 });
  });

  it("reads a part of the records, and cuts shards", async () => {
    const { files, report } = await importAll("self-backtracking", [selfBacktracking], { skip: 1, limit: 3, shardSize: 2 });
    expect(Object.keys(files)).toEqual(["train-00000.jsonl", "train-00001.jsonl"]);
    expect(rowsOf(files["train-00001.jsonl"]).map(({ id }) => id)).toEqual(["train-0000003"]);
    expect(report).toMatchObject({ records: 3 });
  });

  it("gives the same bytes from a list, from lines, compressed, and from Parquet", async () => {
    const records = [
      { ...paper, search_path: "45-39=6\n10*6=60\n2+60=62\nGoal Reached!" },
      { ...paper, search_path: "45-39=6\n39+6=45\n<backtrack>" },
    ];
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join("");
    const columns = [
      { name: "nums", type: "integers" },
      { name: "target", type: "integer" },
      { name: "search_path", type: "text" },
    ] as const;
    const parquet: Uint8Array[] = [];
    for await (const chunk of parquetBytes(columns, records)) parquet.push(chunk);
    const sources = [
      listFile("train.json", records),
      memoryFile("train.jsonl", lines),
      memoryFile("data/train-0.jsonl.gz", gzipSync(lines)),
      memoryFile("data/train-0.parquet", Buffer.concat(parquet)),
    ];
    const imported = await Promise.all(sources.map((file) => importAll("self-backtracking", [file])));
    for (const { files } of imported) expect(files).toEqual(imported[0]?.files);
    expect(imported[0]?.train).toHaveLength(2);
  });

  it("says which file is damaged, and leaves no half file", async () => {
    const cut = memoryFile("train.json.gz", gzipSync(JSON.stringify([paper])).subarray(0, 30));
    await expect(importAll("self-backtracking", [cut])).rejects.toThrow("train.json.gz: cannot be decompressed");
    await expect(importAll("self-backtracking", [memoryFile("train.parquet", "PAR1, they said")])).rejects.toThrow(
      "train.parquet: cannot be read as Parquet",
    );
  });
});

describe("import of shortestpath", () => {
  const record = {
    query: "1,3|2,4|1,2|0,1|0,2|3,4/0,4",
    steps: "0,(1,2),1,(2,3),2,(4)",
    target: "0,2,4",
    text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4=0,2,4",
    trace: ["0,(1,2)", "1,(2,3)", "2,(4)"],
    len_target: 3,
  };

  it("composes the text as the published trainer does, whichever fields are there", async () => {
    const { query, steps, target, text, trace } = record;
    const variants = [record, { query, steps, target }, { text, trace }, { text, steps: trace }];
    const { train } = await importAll("shortestpath", [listFile("train.json", variants)]);
    expect(train.map(({ prompt, response, solved }) => [prompt, response, solved])).toEqual(
      variants.map(() => ["1,3|2,4|1,2|0,1|0,2|3,4/0,4=", "<0,(1,2),1,(2,3),2,(4)-4,2,0>=0,2,4", true]),
    );
  });

  it("names wrong queue order and missing neighbours", async () => {
    const wrong = [
      { ...record, steps: "0,(1,2),2,(4)" },
      { ...record, steps: "0,(1),1,(2,3),2,(4)" },
    ];
    const { report } = await importAll("shortestpath", [listFile("train.json", wrong)]);
    expect(Object.keys(report.rejections as object)).toEqual(["queue", "neighbours"]);
  });

  it("reads the way alone when asked for format path", async () => {
    const { train } = await importAll("shortestpath", [listFile("train.json", [record])], { format: "path" });
    expect(train[0]).toMatchObject({ response: "0,2,4", solver: "optimal", solved: true });
  });
});

const solution = "534678912672195348198342567859761423426853791713924856961537284287419635345286179";
const emptied = [0, 1, 2, 36];
/** Without (0, 0), (0, 1), (0, 2) and (4, 0): 4 looks possible at (0, 0), but then (4, 0) has no candidate. */
const puzzle = [...solution].map((digit, cell) => (emptied.includes(cell) ? "0" : digit)).join("");

describe("import of Sudoku", () => {
  const direct = "(0, 0) = 5 \n(0, 1) = 3 \n(0, 2) = 4 \n(4, 0) = 4";
  const searching = {
    puzzle,
    strategy_full_trace_solution: [
      "guess: (0, 0) [4, 5] = 4",
      "(0, 0) = 4",
      "nocand: (4, 0)",
      "nocand: (0, 0)",
      "revert: (0, 0) [4, 5] = none",
      "guess: (0, 0) [4, 5] = 5",
      direct,
    ].join(" \n"),
    strategy_shortcut_solution: direct,
  };

  it("reads the published trace; a guess and a contradiction are told once", async () => {
    const { train } = await importAll("sudoku-kb", [listFile("train.json", [searching])]);
    expect(train).toMatchObject([{ problem: { puzzle: "sudoku", grid: puzzle.replaceAll("0", ".") }, solved: true, nodes: 5 }]);
    const lines = String(train[0]?.response).split("\n");
    expect(lines.filter((line) => line.includes("(0, 0)"))).toHaveLength(3);
    expect(lines.filter((line) => line.includes("nocand"))).toHaveLength(1);
    expect(lines).toHaveLength(8);
  });

  it("reads the direct form", async () => {
    const { train } = await importAll("sudoku-kb", [listFile("train.json", [searching])], { format: "sudoku-path" });
    expect(train[0]).toMatchObject({ format: "sudoku-path", solved: true, nodes: 4 });
  });

  it("rejects a cell that is filled twice, and a line that is none", async () => {
    const twice = { puzzle, full_trace_solution: "(0, 0) = 5 \n(0, 1) = 3 \n(0, 1) = 4 \n(0, 2) = 4" };
    const strange = { puzzle, full_trace_solution: "(0, 0) = 5 \nhello" };
    const { report } = await importAll("sudoku-kb", [listFile("train.json", [twice, strange])]);
    expect(report.rejections).toMatchObject({
      rule: { records: 1 },
      record: {
        first: [
          {
            message: expect.stringContaining(
              'line 2 of the trace: expected a digit filled in, guess, nocand, invalid or revert; found "hello"',
            ),
          },
        ],
      },
    });
  });

  it("reads the rated puzzles of the CSV; with a solver, as examples", async () => {
    const csv = `id,puzzle,solution,clues,difficulty\r\n7,${puzzle.replaceAll("0", ".")},${solution},77,1.5\r\n8,${solution},x,81,0\r\n`;
    const problems = await importAll("sudoku-kaggle", [memoryFile("sudoku-3m.csv", csv)]);
    expect(Object.keys(problems.files)).toEqual(["test-problems.jsonl"]);
    expect(problems.report).toMatchObject({ records: 2, problems: 1, rejections: { record: { records: 1 } } });
    const solved = await importAll("sudoku-kaggle", [memoryFile("sudoku-3m.csv", csv)], { solve: true });
    expect(solved.train).toMatchObject([{ solver: "sudoku", solved: true, nodes: 4, difficulty: 1.5 }]);
    expect(rowsOf(problems.files["test-problems.jsonl"])).toMatchObject([{ difficulty: 1.5 }]);
  });
});

describe("files of a source", () => {
  it("tells the split from the name, else from the folder, else train", () => {
    const names = [
      "train_backtrack.json",
      "val_backtrack.json",
      "val_target1_b4_t100_n500000_random.json",
      "val1_b4.json",
      "sudoku-3m.csv",
    ];
    expect(names.map(splitName)).toEqual(["train", "val", "val-target", "val", "train"]);
    expect(["data/validation-00000-of-00001.parquet", "test/part-0.parquet", "shortestpath/0.parquet"].map(splitName)).toEqual([
      "validation",
      "test",
      "train",
    ]);
  });

  it("reads training files first, leaves out what describes the set, and says what there is where nothing fits", () => {
    const paths = ["README.md", "a/val.json", "dataset_info.json", "z/train-1.jsonl.gz", "z/train-0.parquet"].map((path) => ({
      path,
    }));
    expect(chooseFiles(paths, "here", []).map(({ path }) => path)).toEqual([
      "z/train-0.parquet",
      "z/train-1.jsonl.gz",
      "a/val.json",
    ]);
    expect(chooseFiles(paths, "here", ["val.json"]).map(({ path }) => path)).toEqual(["a/val.json"]);
    expect(() => chooseFiles([{ path: "README.md" }], "here", [])).toThrow(
      "here: expected a .json, .jsonl, .csv (or .gz of these) or .parquet file, found README.md.",
    );
  });
});
