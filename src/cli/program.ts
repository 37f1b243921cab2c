// The command tree: names, flags, help with examples. Each command's work is in its own file, loaded when it is called.
import { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";

type Done = (code: ExitCode) => void;

/** All commands. `done` receives the exit code of the one that ran. */
export function buildProgram(io: Io, done: Done): Command {
  const program = new Command("backtrail")
    .description(
      "Learning-to-search experiments on language models: data, training, decoding with rollback, verdicts with intervals.",
    )
    .version(io.version)
    .showHelpAfterError("(--help shows what there is)")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err });
  sweepCommands(program, io, done);
  dataCommands(program, io, done);
  environmentCommands(program, io, done);
  return program;
}

const examples = (...lines: string[]) => `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}\n`;
const collect = (value: string, before: string[]) => [...before, value];
const overrides = [
  "--set <key=value>",
  "override a setting by its dotted key; may be repeated",
  collect,
  [] as string[],
] as const;

function sweepCommands(program: Command, io: Io, done: Done): void {
  program
    .command("run")
    .argument("<config>", "YAML file")
    .description(
      "Run a sweep: data, training, decoding, grading, report. Finished stages are reused; an interrupted run goes on.",
    )
    .option(...overrides)
    .option("--mock", "use the mock worker: no Python, no tensors, the same path", false)
    .option("--json", "print the summary as JSON", false)
    .option("--results <folder>", "where results/<name>/ goes", "results")
    .addHelpText(
      "after",
      examples(
        "backtrail run configs/quickstart.yaml",
        "backtrail run configs/quickstart.yaml --set decode.b1.samples=32",
        "backtrail run configs/quickstart.yaml --mock --json | jq .claims",
      ),
    )
    .action(async (config, flags) => done(await (await import("./run.ts")).runCommand(io, config, flags)));
  program
    .command("plan")
    .argument("<config>", "YAML file")
    .description("Show what a run would do: arms, stages, what is cached, what claims can be decided. Writes nothing.")
    .option(...overrides)
    .option("--mock", "plan for the mock worker", false)
    .option("--json", "print the plan with all settings resolved", false)
    .addHelpText(
      "after",
      examples(
        "backtrail plan configs/quickstart.yaml",
        "backtrail plan configs/quickstart.yaml --json | jq '.arms[].settings'",
      ),
    )
    .action(async (config, flags) => done(await (await import("./plan.ts")).planCommand(io, config, flags)));
  program
    .command("status")
    .argument("<config>", "YAML file")
    .description(
      "Which stages of a sweep are finished, in progress or to do, and who is running it. May be called from another terminal.",
    )
    .option(...overrides)
    .option("--mock", "status of the mock run", false)
    .option("--json", "print as JSON", false)
    .option("--results <folder>", "where results/<name>/ is", "results")
    .addHelpText("after", examples("backtrail status configs/quickstart.yaml"))
    .action(async (config, flags) => done(await (await import("./status.ts")).statusCommand(io, config, flags)));
  program
    .command("report")
    .argument("<folder>", "a sweep's results folder")
    .description("Print the table of a finished sweep and write its page again.")
    .option("--json", "print the summary as JSON", false)
    .addHelpText(
      "after",
      examples("backtrail report results/quickstart", "backtrail report results/quickstart --json | jq '.arms[0].policies'"),
    )
    .action(async (folder, flags) => done(await (await import("./report.ts")).reportCommand(io, folder, flags)));
}

function dataCommands(program: Command, io: Io, done: Done): void {
  program
    .command("trace")
    .argument("<puzzle>", "puzzle family: countdown")
    .description("Solve one problem and print its trace in a format.")
    .requiredOption("--problem <text>", 'the problem as JSON, or short: "45,39,2,10 -> 62"')
    .option("--solver <name>", "symbolic solver", "exhaustive")
    .option("--format <name>", "trace format", "self-backtracking")
    .option("--json", "also events, spans and verdict", false)
    .addHelpText(
      "after",
      examples(
        'backtrail trace countdown --problem "45,39,2,10 -> 62"',
        `backtrail trace countdown --problem '{"puzzle":"countdown","numbers":[4,4,2],"target":10}' --json`,
      ),
    )
    .action(async (puzzle, flags) => done(await (await import("./trace.ts")).traceCommand(io, puzzle, flags)));
  program
    .command("grade")
    .description("Grade responses: one JSON object a line on stdin {id?, problem, format, text}, one verdict a line on stdout.")
    .option("--format <name>", "format of lines that name none", "self-backtracking")
    .option("--use-all-numbers", "an answer must use every number", false)
    .addHelpText(
      "after",
      examples(
        `echo '{"problem":{"puzzle":"countdown","numbers":[4,4,2],"target":10},"text":"4+4=8\\n8+2=10\\nGoal Reached!"}' | backtrail grade`,
      ),
    )
    .action(async (flags) => done(await (await import("./grade.ts")).gradeCommand(io, flags)));
  const data = program.command("data").description("Datasets alone: make, look.");
  data
    .command("make")
    .argument("<config>", "YAML file; its puzzle, data.train and seed are used")
    .description("Make a training set: shards of JSON lines and a manifest.")
    .requiredOption("--out <folder>", "a new folder")
    .option("--size <n>", "number of examples")
    .option("--seed <n>", "root seed")
    .option(...overrides)
    .option("--json", "print the manifest", false)
    .addHelpText("after", examples("backtrail data make configs/quickstart.yaml --size 1000 --out /data/countdown-1k"))
    .action(async (config, flags) => done(await (await import("./data.ts")).dataMakeCommand(io, config, flags)));
  data
    .command("inspect")
    .argument("<folder>", "a dataset folder or a .jsonl shard")
    .description("Show examples with what is trained (green) and what is not (red); counts and lengths.")
    .option("--examples <n>", "how many to show", "3")
    .option("--json", "print counts and examples as JSON", false)
    .addHelpText("after", examples("backtrail data inspect /data/countdown-1k --examples 5"))
    .action(async (folder, flags) => done(await (await import("./data.ts")).dataInspectCommand(io, folder, flags)));
}

function environmentCommands(program: Command, io: Io, done: Done): void {
  program
    .command("doctor")
    .description("Is everything here? Node, Python, PyTorch, GPUs, disk; what is missing and how to mend it.")
    .option("--json", "print as JSON", false)
    .addHelpText("after", examples("backtrail doctor", "BACKTRAIL_PYTHON=/opt/torch/bin/python backtrail doctor --json"))
    .action(async (flags) => done(await (await import("./doctor.ts")).doctorCommand(io, flags)));
  program
    .command("setup")
    .description("Make the Python environment .venv, pinned by py/requirements.lock. Quick when it is there already.")
    .option("--dev", "also what the tests need", false)
    .option("--torch-index <url>", "package index to take PyTorch from (for example one with CPU builds)")
    .addHelpText("after", examples("backtrail setup", "backtrail setup --dev"))
    .action(async (flags) => done(await (await import("./setup.ts")).setupCommand(io, flags)));
  program
    .command("model")
    .description("Look at models.")
    .command("show")
    .argument("<model>", "a checkpoint directory or a Hugging Face Hub id")
    .description("Type, size, tokenizer, whether <backtrack> is a token, and the memory that training and decoding need.")
    .option("--json", "print as JSON", false)
    .addHelpText(
      "after",
      examples("backtrail model show unsloth/Llama-3.2-1B", "backtrail model show /models/checkpoint --json"),
    )
    .action(async (model, flags) => done(await (await import("./model.ts")).modelShowCommand(io, model, flags)));
  program
    .command("schema")
    .description("Print the JSON Schema of config files, for editors.")
    .addHelpText("after", examples("backtrail schema > schema.json"))
    .action(async () => done(await (await import("./schema.ts")).schemaCommand(io)));
}
