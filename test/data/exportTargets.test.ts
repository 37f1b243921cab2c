import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { selfBacktrackingData } from "../../src/config/dataSettings.ts";
import type { Example, TestProblem } from "../../src/data/example.ts";
import { Census, type Dataset, openDataset } from "../../src/data/exportDataset.ts";
import { axolotlRecord } from "../../src/data/exportRecords.ts";
import { type SosRecord, solverOfSos, sosRating, sosRecord } from "../../src/data/exportSos.ts";
import { checkExport, type ExportTarget, exportFiles } from "../../src/data/exportTargets.ts";
import { importDataset } from "../../src/data/importDataset.ts";
import { type Publication, publications } from "../../src/data/importPublished.ts";
import { ImportReport } from "../../src/data/importReport.ts";
import { parquetRows } from "../../src/data/parquetRead.ts";
import { datasetFiles } from "../../src/data/reading.ts";
import { recipeFor } from "../../src/data/recipe.ts";
import { Rng } from "../../src/lib/rng.ts";
import { countdown, countdownOptions } from "../../src/puzzle/countdown.ts";
import { solve } from "../../src/solver/registry.ts";
import type { SolverSettings } from "../../src/solver/settings.ts";
import { findFormat } from "../../src/trace/registry.ts";
import { filesIn, memoryFile, rowsOf } from "./fixtures/memory.ts";

const options = countdownOptions.parse({ kind: "countdown", numbers: 3 });
const train = selfBacktrackingData.parse({ format: "self-backtracking", size: 40 });
const recipe = recipeFor({ puzzle: options, train, seed: 1 });
const examples = Array.from({ length: recipe.size }, (_, index) => recipe.make(index) as Example);
const tests = ["unseen", "seen"].map((split, index): TestProblem => {
  const problem = countdown.generate(Rng.for(index), options);
  return {
    id: `${split}-00000`,
    split,
    problem: countdown.writeProblem(problem),
    prompt: findFormat("countdown", "self-backtracking").prompt(problem),
  };
});

async function* each<Row>(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

/** In two shards. */
function dataset(rows: readonly Example[], problems: readonly TestProblem[] = tests): Dataset {
  const half = Math.ceil(rows.length / 2);
  return {
    train: [rows.slice(0, half), rows.slice(half)].map((shard) => ({ rows: () => each(shard) })),
    tests: problems.map((problem) => ({ split: problem.split, rows: () => each([problem]) })),
  };
}

async function exported(target: ExportTarget, from: Dataset): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (const { path, rows, encode } of exportFiles(target, from, {})) {
    const bytes: Uint8Array[] = [];
    for await (const chunk of encode(rows())) bytes.push(chunk);
    files[path] = Buffer.concat(bytes);
  }
  return files;
}

const text = (bytes: Buffer | undefined) => bytes?.toString("utf8") ?? "";

/** What an import of an exported folder gives back. */
async function importedAgain(
  from: string,
  files: Record<string, Buffer>,
): Promise<{ train: Record<string, unknown>[]; files: Record<string, string> }> {
  const folder = mkdtempSync(join(tmpdir(), "backtrail-export-"));
  const publication = publications[from] as Publication;
  const settings = {
    publication,
    format: from,
    allow: new Set<string>(),
    skip: 0,
    limit: Number.POSITIVE_INFINITY,
    solve: false,
    shardSize: 1000,
    signal: new AbortController().signal,
  };
  const sources = Object.entries(files).map(([path, bytes]) => memoryFile(path, bytes));
  await importDataset(sources, folder, settings, new ImportReport());
  const content = filesIn(folder);
  return { train: rowsOf(content["train-00000.jsonl"]), files: content };
}

const good: Example = {
  id: "train-0000000",
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
};

describe("TRL", () => {
  it("writes prompt and completion, and prompts of test problems", async () => {
    const files = await exported("trl", dataset([good]));
    expect(rowsOf(text(files["train.jsonl"]))).toEqual([{ prompt: good.prompt, completion: good.response }]);
    expect(rowsOf(text(files["test-seen.jsonl"]))).toEqual([{ id: "seen-00000", prompt: tests[1]?.prompt }]);
    expect(Object.keys(files)).toEqual(["train.jsonl", "test-unseen.jsonl", "test-seen.jsonl"]);
  });
});

describe("axolotl", () => {
  it("labels what is trained", () => {
    const labelled = (label: boolean, piece: string) => ({ label, text: piece });
    const segments = [
      labelled(false, good.prompt),
      labelled(true, "45-39=6\n"),
      labelled(false, "39+6=45\n"),
      labelled(true, "<backtrack>"),
    ];
    expect(axolotlRecord(good)).toEqual({ segments });
    expect(axolotlRecord(good, "</s>")).toEqual({ segments: [...segments, labelled(true, "</s>")] });
    expect(axolotlRecord({ ...good, trainEnd: false }, "</s>").segments.at(-1)).toEqual(labelled(false, "</s>"));
  });

  it("cuts any response at its spans: the pieces are the response, the labelled ones the spans", () => {
    const cuts = fc.array(fc.nat(30), { maxLength: 6 });
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), cuts, (response, places) => {
        const edges = [...new Set(places.map((place) => Math.min(place, response.length)))].sort((a, b) => a - b);
        const spans = Array.from(
          { length: Math.floor(edges.length / 2) },
          (_, index) => [edges[2 * index] as number, edges[2 * index + 1] as number] as const,
        );
        const [, ...segments] = axolotlRecord({ ...good, response, spans }).segments;
        expect(segments.map((segment) => segment.text).join("")).toBe(response);
        let at = 0;
        const trained = segments.flatMap(({ label, text: piece }) => {
          at += piece.length;
          return label ? [[at - piece.length, at]] : [];
        });
        expect(trained).toEqual(spans);
      }),
    );
  });
});

describe("self-backtracking", () => {
  it("writes the published files: seen targets first in the validation file", async () => {
    const files = await exported("self-backtracking", dataset([good]));
    expect(text(files["train_backtrack.json"])).toBe(
      '[\n{"nums":[45,39,2,10],"target":62,"search_path":"45-39=6\\n39+6=45\\n<backtrack>"}\n]\n',
    );
    const problemOf = ({ problem }: TestProblem) => problem as { numbers: number[]; target: number };
    expect(JSON.parse(text(files["val_backtrack.json"]))).toEqual(
      [...tests].reverse().map((test) => ({ nums: problemOf(test).numbers, target: problemOf(test).target, search_path: "" })),
    );
  });

  it("comes back from the published form as it was: problems, texts, masks, origins", async () => {
    const { train: again } = await importedAgain("self-backtracking", await exported("self-backtracking", dataset(examples)));
    expect(again).toEqual(examples);
  });

  it("refuses other formats", async () => {
    const other = dataset([{ ...good, format: "sos" }]);
    await expect(checkExport("self-backtracking", other)).rejects.toMatchObject({
      code: "export",
      message:
        "--to self-backtracking: expected a dataset of format self-backtracking, found sos. Use --to trl, axolotl or parquet for it.",
    });
    await expect(checkExport("sos", other)).resolves.toBeUndefined();
    await expect(checkExport("parquet", other)).resolves.toBeUndefined();
  });
});

/** Examples of Stream of Search by our own solvers. */
function searches(): Example[] {
  const format = findFormat("countdown", "sos");
  const solvers: [string, object][] = [
    ["dfs(sum)", { kind: "dfs", heuristic: "sum", threshold: "target" }],
    ["beam(mult,3)", { kind: "beam", heuristic: "mult", width: 3 }],
  ];
  return Array.from({ length: 8 }, (_, index): Example => {
    const problem = countdown.generate(Rng.for("sos", index), options);
    const [name, settings] = solvers[index % 2] as [string, object];
    const events = [...solve(countdown, problem, settings as SolverSettings, Rng.for(index))];
    const response = format.render(problem, events).text;
    return {
      id: `train-000000${index}`,
      problem: countdown.writeProblem(problem),
      prompt: format.prompt(problem),
      response,
      spans: [[0, response.length]],
      trainEnd: true,
      format: "sos",
      solver: name,
      origin: "trace",
      solved: events.some(({ kind }) => kind === "goal"),
      nodes: events.filter(({ kind }) => kind === "generate").length,
    };
  });
}

describe("Stream of Search", () => {
  it("writes the published fields", () => {
    // 3 numbers: 3 pairs with 4 operators, then 1 pair with 4: 48 at most. Two lines and the root make 3 explored.
    const response =
      "Exploring Operation: 4+2=6, Resulting Numbers: [3, 6]\nExploring Operation: 6*3=18\n18,18 equal: Goal Reached";
    const record = sosRecord({
      ...good,
      problem: { puzzle: "countdown", numbers: [4, 2, 3], target: 18 },
      prompt: "Current State: 18:[4, 2, 3], Operations: []\n",
      response,
      format: "sos",
      solver: "beam(mult,3)",
    });
    expect(record).toMatchObject({
      nums: [4, 2, 3],
      target: 18,
      search_path: `Current State: 18:[4, 2, 3], Operations: []\n${response}`,
      rating: 1 - 3 / 48,
      search_type: "bfs_3",
      heuristic: "mult_heuristic",
    });
    expect(record.solution).toHaveLength(2);
    expect(record.solution.at(-1)).toMatch(/=18$/);
    expect(Object.keys(record)).toHaveLength(8);
  });

  it("rates searches as the published script does", () => {
    const steps = (count: number) => "Exploring Operation\n".repeat(count);
    expect(sosRating(steps(10), 4)).toBe(0);
    expect(sosRating(`${steps(11)}Goal Reached`, 4)).toBe(1 - 12 / 1152);
    expect(sosRating(`${steps(95)}Goal Reached`, 5)).toBe(1 - 96 / 46_080);
    expect(sosRating(`${steps(5)}Goal Reached`, 2)).toBe(0);
  });

  it("names searches as the published files do, and back", () => {
    const pairs: [string, string, string | null][] = [
      ["dfs(sum)", "dfs", "sum_heuristic"],
      ["beam(mult,3)", "bfs_3", "mult_heuristic"],
      ["think", "think", null],
    ];
    for (const [solver, search_type, heuristic] of pairs) {
      expect(sosRecord({ ...good, solver })).toMatchObject({ search_type, heuristic });
      expect(solverOfSos(search_type, heuristic)).toBe(solver);
    }
  });

  it("restores what the published generator wrote", async () => {
    // Records of its countdown_generate.py (3 numbers, seed 11): both searches, with and without a goal.
    const published = readFileSync(join(import.meta.dirname, "fixtures/sos-3-numbers.json"), "utf8");
    const { train: rows } = await importedAgain("sos", { "train.json": Buffer.from(published) });
    expect(rows.map(({ solver, solved }) => [solver, solved])).toEqual([
      ["dfs(mult)", true],
      ["beam(sum,1)", true],
      ["beam(mult,1)", false],
    ]);
    const files = await exported("sos", dataset(rows as unknown as Example[], []));
    const stripped = (JSON.parse(published) as SosRecord[]).map((record) => ({
      ...record,
      search_path: record.search_path.trim(),
      optimal_path: record.optimal_path.trim(),
    }));
    expect(JSON.parse(text(files["train.json"]))).toEqual(stripped);
  });

  it("comes back from the published form with the same problems, texts and solvers", async () => {
    const made = searches();
    const { train: again } = await importedAgain("sos", await exported("sos", dataset(made, [])));
    const kept = ({ id, problem, prompt, response, spans, trainEnd, format, solver, origin, solved, nodes }: Example) => ({
      id,
      problem,
      prompt,
      response,
      spans,
      trainEnd,
      format,
      solver,
      origin,
      solved,
      nodes,
    });
    expect(again.map((row) => kept(row as unknown as Example))).toEqual(made.map(kept));
    expect(made.some(({ solved }) => solved)).toBe(true);
  });
});

describe("Parquet", () => {
  it("holds every field, in shards under the Hub's names", async () => {
    const files = await exported("parquet", dataset(examples));
    expect(Object.keys(files)).toEqual([
      "data/train-00000-of-00002.parquet",
      "data/train-00001-of-00002.parquet",
      "data/unseen-00000-of-00001.parquet",
      "data/seen-00000-of-00001.parquet",
    ]);
    const read: object[] = [];
    for (const [path, bytes] of Object.entries(files).slice(0, 2)) {
      for await (const row of parquetRows(path, await memoryFile(path, bytes).random())) read.push(row);
    }
    const absent = { solved: null, nodes: null, solution: null };
    expect(read).toEqual(examples.map((example) => ({ ...example, problem: JSON.stringify(example.problem), ...absent })));
  });

  it("gives equal bytes for equal rows", async () => {
    expect(await exported("parquet", dataset(examples))).toEqual(await exported("parquet", dataset(examples)));
  });
});

describe("a dataset on a disk", () => {
  it("is read in order, and a damaged line is named", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backtrail-dataset-"));
    const bad = {
      ...good,
      spans: [
        [0, 8],
        [6, 27],
      ],
    };
    writeFileSync(join(folder, "train-00001.jsonl"), `${JSON.stringify(good)}\n${JSON.stringify(bad)}\n`);
    writeFileSync(join(folder, "train-00000.jsonl"), `${JSON.stringify({ ...good, origin: "first" })}\n`);
    writeFileSync(join(folder, "test-g20_2-4.jsonl"), `${JSON.stringify(tests[0])}\n`);
    const opened = openDataset(await datasetFiles(folder, "set"));
    expect(opened.tests.map(({ split }) => split)).toEqual(["g20_2-4"]);
    const read: string[] = [];
    const reading = async () => {
      for (const file of opened.train) for await (const { origin } of file.rows()) read.push(origin);
    };
    await expect(reading()).rejects.toThrow("train-00001.jsonl:2: not an example: spans should be");
    expect(read).toEqual(["first", "rule"]);
  });

  it("is counted as it passes", async () => {
    const census = new Census();
    const rows = dataset([good, { ...good, origin: "optimal", spans: [[0, 27]] }]).train;
    for (const file of rows) for await (const _ of census.watch(file.rows())) void _;
    expect(census).toMatchObject({ origins: { "self-backtracking": { rule: 1, optimal: 1 } }, masked: 1 });
  });
});
