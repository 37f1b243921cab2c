// The commands that need no model: traces, grades, datasets, laws. Part of program.ts's tree.
import type { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";
import { collect, examples, moduleFlag, overrides } from "./programHelp.ts";

type Done = (code: ExitCode) => void;

/** trace, grade, check, formats. */
export function traceCommands(program: Command, io: Io, done: Done): void {
  program
    .command("trace")
    .argument("<puzzle>", "puzzle family: countdown, sudoku, graph, maze")
    .description("Solve one problem and print its trace in a format.")
    .option("--problem <text>", 'the problem as JSON, or short: "45,39,2,10 -> 62"; default: one is drawn')
    .option("--solver <name>", "symbolic solver, by name or as JSON with its settings; default: the format's own")
    .option("--format <name>", "trace format; default: the puzzle's first")
    .option("--options <json>", "options of the puzzle, for a problem that is drawn", "{}")
    .option("--seed <n>", "for a problem that is drawn, and for solvers that draw", "42")
    .option(...moduleFlag)
    .option("--json", "also events, spans and verdict", false)
    .addHelpText(
      "after",
      examples(
        'backtrail trace countdown --problem "45,39,2,10 -> 62"',
        'backtrail trace countdown --problem "45,39,2,10 -> 62" --format sos --solver dfs',
        `backtrail trace countdown --format sos --solver '{"kind":"beam","width":3,"heuristic":"mult"}'`,
        'backtrail trace graph --problem "1,3|2,4|1,2|0,1|0,2|3,4/0,4" --format bfs-article',
        `backtrail trace sudoku --options '{"size":4}' --seed 7 --json`,
      ),
    )
    .action(async (puzzle, flags) => done(await (await import("./trace.ts")).traceCommand(io, puzzle, flags)));
  program
    .command("grade")
    .description(
      "Grade responses: one JSON object a line on stdin {id?, problem, format?, text, reference?}, one verdict a line on stdout. A reference is another trace of the problem in the same format: the verdict then tells how many states the two share.",
    )
    .option("--format <name>", "format of lines that name none; default: the puzzle's first")
    .option("--use-all-numbers", "Countdown: an answer must use every number", false)
    .option("--compat <names>", "also the verdicts of published checkers, faults included: sb, sos")
    .option("--stats", "also tokens, and whether each dead end that is left is a true one (slower)", false)
    .option(...moduleFlag)
    .option("--json", "the summary on stderr as JSON", false)
    .addHelpText(
      "after",
      examples(
        `printf '%s\\n' '{"problem":{"puzzle":"countdown","numbers":[4,4,2],"target":10},"text":"4+4=8\\n8+2=10\\nGoal Reached!"}' | backtrail grade`,
        "backtrail grade --compat sb,sos --stats < answers.jsonl > verdicts.jsonl",
      ),
    )
    .action(async (flags) => done(await (await import("./grade.ts")).gradeCommand(io, flags)));
  program
    .command("check")
    .argument("<module>", "a module that exports `puzzle` or `formats`, or a puzzle of the house by name")
    .description("Check the laws of a puzzle, its formats and the solvers on it, on drawn problems.")
    .option("--options <json>", "options of the puzzle", "{}")
    .option("--problems <n>", "problems to draw", "50")
    .option("--seed <n>", "what they are drawn by", "42")
    .option("--max-nodes <n>", "bound on each search", "200")
    .option("--json", "print as JSON", false)
    .addHelpText(
      "after",
      examples("backtrail check configs/modules/pancakes.ts", `backtrail check sudoku --options '{"size":4}' --problems 20`),
    )
    .action(async (target, flags) => done(await (await import("./check.ts")).checkCommand(io, target, flags)));
  program
    .command("formats")
    .description("The puzzles, formats and solvers there are, with an example of each.")
    .option("--json", "print as JSON, texts in full", false)
    .addHelpText("after", examples("backtrail formats", "backtrail formats --json | jq -r '.formats[0].response'"))
    .action(async (flags) => done(await (await import("./formats.ts")).formatsCommand(io, flags)));
}

/** data make, verify, inspect, import, export. */
export function dataCommands(program: Command, io: Io, done: Done): void {
  const data = program.command("data").description("Datasets alone: make, verify, look, convert.");
  data
    .command("make")
    .argument("<preset>", "a name of configs/data/, or a YAML file whose puzzle, data and seed are used")
    .description("Make a dataset: shards of JSON lines, test sets and a manifest. Interrupted, the same command goes on.")
    .requiredOption("--out <folder>", "a new folder, or one that was interrupted")
    .option("--size <n>", "number of examples")
    .option("--seed <n>", "root seed")
    .option("--threads <n>", "worker threads; default: one for each core")
    .option("--shard-size <n>", "examples of a shard")
    .option("--compress <kind>", "gzip")
    .option(...overrides)
    .option("--json", "print the manifest", false)
    .addHelpText(
      "after",
      examples(
        "backtrail data make sos-500k --size 10000 --out /data/sos",
        "backtrail data make configs/quickstart.yaml --size 1000 --out /data/countdown-1k",
      ),
    )
    .action(async (config, flags) => done(await (await import("./data.ts")).dataMakeCommand(io, config, flags)));
  data
    .command("verify")
    .argument("<folder>", "a dataset folder")
    .description("Check digests, that no test problem is trained on, and every example by grading it again.")
    .option(...moduleFlag)
    .option("--json", "print as JSON", false)
    .addHelpText("after", examples("backtrail data verify /data/sos"))
    .action(async (folder, flags) => done(await (await import("./data.ts")).dataVerifyCommand(io, folder, flags)));
  data
    .command("inspect")
    .argument("<folder>", "a dataset folder or a shard")
    .description("Show examples with what is trained (green) and what is not (red); counts, lengths, difficulty.")
    .option("--examples <n>", "how many to show", "3")
    .option(...moduleFlag)
    .option("--json", "print counts and examples as JSON", false)
    .addHelpText("after", examples("backtrail data inspect /data/sos --examples 5"))
    .action(async (folder, flags) => done(await (await import("./data.ts")).dataInspectCommand(io, folder, flags)));
  data
    .command("import")
    .argument("<source>", "a file, a folder, or a data set of the Hugging Face Hub as hf:owner/name")
    .description("Read a published data set, grade every record anew, and write what is right as a dataset of ours.")
    .requiredOption(
      "--from <name>",
      "what was published: self-backtracking, sos, countdown-kb, sudoku-kb, sudoku-kaggle, shortestpath",
    )
    .requiredOption("--out <folder>", "a new folder")
    .option("--format <name>", "format of its texts, where there are several")
    .option("--file <end>", "read only files whose path ends so; may be repeated", collect, [])
    .option("--allow <kind>", "take texts with errors of this kind too; may be repeated", collect, [])
    .option("--skip <n>", "records to skip")
    .option("--limit <n>", "records to read at most")
    .option("--solve", "where records hold no trace, write the solver's", false)
    .option("--json", "print the report as JSON", false)
    .addHelpText(
      "after",
      examples(
        "backtrail data import val_backtrack.json --from self-backtracking --out /data/sb-val",
        "backtrail data import hf:sunnytqin/countdown --from countdown-kb --limit 10000 --out /data/kb",
      ),
    )
    .action(async (source, flags) => done(await (await import("./dataImport.ts")).dataImportCommand(io, source, flags)));
  data
    .command("export")
    .argument("<folder>", "a dataset folder")
    .description("Write a dataset for other tools, with a data card.")
    .requiredOption("--to <name>", "trl, axolotl, sos, self-backtracking or parquet")
    .requiredOption("--out <folder>", "a new folder")
    .option("--end-of-text <text>", "axolotl: the tokenizer's end-of-text token")
    .option("--license <id>", "licence of the data, for the card")
    .option(...moduleFlag)
    .option("--json", "print as JSON", false)
    .addHelpText("after", examples("backtrail data export /data/sos --to trl --out /data/sos-trl"))
    .action(async (folder, flags) => done(await (await import("./dataExport.ts")).dataExportCommand(io, folder, flags)));
}
