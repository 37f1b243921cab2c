// The command tree: names, flags, help with examples. Each command's work is in its own file, loaded when it is called.
import { resolve } from "node:path";
import { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";
import { dataCommands, traceCommands } from "./programData.ts";
import { examples, overrides } from "./programHelp.ts";

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
  // Whatever the command: a user's own puzzles and formats are there before it begins.
  program.hook("preAction", async (_program, command) => {
    const { module = [] } = command.opts<{ module?: readonly string[] }>();
    if (module.length === 0) return;
    const { loadModule } = await import("../config/moduleLoader.ts");
    for (const path of module) await loadModule(resolve(io.cwd, path));
  });
  sweepCommands(program, io, done);
  traceCommands(program, io, done);
  dataCommands(program, io, done);
  environmentCommands(program, io, done);
  return program;
}

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
