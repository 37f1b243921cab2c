// The commands that work on a sweep. Part of program.ts's tree.
import type { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";
import { collect, examples, mockFlag, overrides, resultsFlag } from "./programHelp.ts";

type Done = (code: ExitCode) => void;

/** run, retry. */
export function runCommands(program: Command, io: Io, done: Done): void {
  program
    .command("run")
    .argument("<config>", "YAML file")
    .description(
      "Run a sweep: data, training, decoding, grading, report. Finished stages are reused; an interrupted run goes on.",
    )
    .option(...overrides)
    .option("--only <patterns...>", "only these arms, arm/policy pairs or stages, and what they need; * stands for any text")
    .option("--limit <n>", "start at most so many stages, then stop; the next run goes on")
    .option("--fail-fast", "after the first failure start nothing new; what runs saves its work and stops", false)
    .option(...mockFlag)
    .option("--json", "print the summary as JSON", false)
    .option(...resultsFlag)
    .addHelpText(
      "after",
      `${examples(
        "backtrail run configs/quickstart.yaml",
        "backtrail run configs/quickstart.yaml --set decode.b1.samples=32",
        "backtrail run configs/quickstart.yaml --only backtracking 'direct/*'",
        "backtrail run configs/quickstart.yaml --limit 2 --fail-fast",
        "backtrail run configs/quickstart.yaml --mock --json | jq .claims",
      )}
A stage that fails takes down what needs it and nothing else; its cause, its log and the command that tries it again are
printed when it happens. Ctrl-C saves what is in flight and ends; twice ends at once. Either way run goes on where it was.
Exit codes: 0 done; 2 wrong usage or config; 3 a stage failed or the disk is full; 4 a required claim was not supported, or
not judged because --only or --limit left out what it compares; 130 interrupted.
`,
    )
    .action(async (config, flags) => done(await (await import("./run.ts")).runCommand(io, config, flags)));
  program
    .command("retry")
    .argument("<config>", "YAML file")
    .description("Run what failed in the last run and what depends on it, nothing else.")
    .option("--failed", "the stages that failed in the last run (what retry does when no stage is named)", false)
    .option("--stage <pattern>", "a stage, arm or arm/policy, whether it failed or not; may be repeated", collect, [])
    .option(...overrides)
    .option(...mockFlag)
    .option("--json", "print the summary as JSON", false)
    .option(...resultsFlag)
    .addHelpText(
      "after",
      examples(
        "backtrail retry configs/quickstart.yaml --failed",
        "backtrail retry configs/quickstart.yaml --stage 'train direct'",
        "backtrail retry configs/quickstart.yaml --stage 'backtracking/*' --mock",
      ),
    )
    .action(async (config, flags) => done(await (await import("./retry.ts")).retryCommand(io, config, flags)));
}

/** plan, why, status, report: they only look. */
export function lookCommands(program: Command, io: Io, done: Done): void {
  program
    .command("plan")
    .argument("<config>", "YAML file")
    .description(
      "Show what a run would do: arms x stages, what is cached, why the rest is to do, time, memory and disk. Writes nothing.",
    )
    .option(...overrides)
    .option("--stages", "a line for each stage, however many there are", false)
    .option(...mockFlag)
    .option("--json", "print the plan with all settings resolved", false)
    .addHelpText(
      "after",
      examples(
        "backtrail plan configs/quickstart.yaml",
        "backtrail plan configs/quickstart.yaml --set train.steps=2000 --stages",
        "backtrail plan configs/quickstart.yaml --json | jq '.arms[].settings'",
      ),
    )
    .action(async (config, flags) => done(await (await import("./plan.ts")).planCommand(io, config, flags)));
  program
    .command("why")
    .argument("<config>", "YAML file")
    .argument("<stage>", "a stage, arm/policy, or the first 6 or more characters of a key")
    .description(
      "Why a stage is cached or to do: its key, what went into it, and all that differs from the nearest earlier one.",
    )
    .option(...overrides)
    .option(...mockFlag)
    .option("--json", "print as JSON", false)
    .option(...resultsFlag)
    .addHelpText(
      "after",
      examples(
        "backtrail why configs/quickstart.yaml 'train direct'",
        "backtrail why configs/quickstart.yaml backtracking/b1 --set decode.b1.samples=32",
        "backtrail why configs/quickstart.yaml 3f9a12 --json | jq '.stages[].differences'",
      ),
    )
    .action(async (config, stage, flags) => done(await (await import("./why.ts")).whyCommand(io, config, stage, flags)));
  program
    .command("status")
    .argument("<config>", "YAML file")
    .description(
      "How far a sweep is: arms x stages, rate, time left, workers with their memory and job, failures. Reads only: for another terminal.",
    )
    .option(...overrides)
    .option(...mockFlag)
    .option("--json", "print as JSON", false)
    .option(...resultsFlag)
    .addHelpText(
      "after",
      examples(
        "backtrail status configs/quickstart.yaml",
        "watch backtrail status configs/quickstart.yaml",
        "backtrail status configs/quickstart.yaml --json | jq .run.failures",
      ),
    )
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
