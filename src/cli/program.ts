// The command tree: names, flags, help with examples. Each command's work is in its own file, loaded when it is called.
import { resolve } from "node:path";
import { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";
import { dataCommands, traceCommands } from "./programData.ts";
import { examples } from "./programHelp.ts";
import { storeCommands } from "./programStore.ts";
import { lookCommands, runCommands } from "./programSweep.ts";

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
  runCommands(program, io, done);
  lookCommands(program, io, done);
  storeCommands(program, io, done);
  traceCommands(program, io, done);
  dataCommands(program, io, done);
  environmentCommands(program, io, done);
  return program;
}

function environmentCommands(program: Command, io: Io, done: Done): void {
  program
    .command("doctor")
    .description("Is everything here? Node, Python, PyTorch, GPUs, disk; what is missing and how to mend it.")
    .option("--json", "print as JSON", false)
    .option("--model <source>", "also say which decoding engine suits this model (a directory or Hub id), and why")
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
