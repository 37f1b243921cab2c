// The commands that look after a store.
import type { Command } from "commander";
import type { ExitCode, Io } from "./io.ts";
import { collect, examples } from "./programHelp.ts";

/** Adds `store ls` and `store gc`. `done` receives the exit code. */
export function storeCommands(program: Command, io: Io, done: (code: ExitCode) => void): void {
  const store = program.command("store").description("Look at a store and free its disk.");
  store
    .command("ls")
    .description("What a store holds, the largest first: artefacts and the sweeps that use them, work in progress, caches.")
    .option("--store <folder>", "the store", "results/.store")
    .option(
      "--results <folder>",
      "where the results folders of its sweeps lie; may be repeated (default: results)",
      collect,
      [],
    )
    .option("--kind <kind>", "only this kind (problems, dataset, train, decode, grade, work, cache)")
    .option("--json", "print as JSON", false)
    .addHelpText(
      "after",
      examples("backtrail store ls", "backtrail store ls --kind train", "backtrail store ls --json | jq .totals"),
    )
    .action(async (flags) => done(await (await import("./store.ts")).storeListCommand(io, flags)));
  store
    .command("gc")
    .description("Free the disk of what no sweep uses any more. Shows what would go; deletes only with --delete.")
    .option("--delete", "delete it", false)
    .option("--older-than <age>", "only what was made longer ago than this (30m, 12h, 7d)")
    .option("--drop-earlier", "give up what only results under earlier/ use", false)
    .option("--store <folder>", "the store", "results/.store")
    .option(
      "--results <folder>",
      "where the results folders of its sweeps lie; may be repeated (default: results)",
      collect,
      [],
    )
    .option("--json", "print as JSON", false)
    .addHelpText(
      "after",
      examples("backtrail store gc", "backtrail store gc --older-than 7d --delete", "backtrail store gc --json | jq .bytes"),
    )
    .action(async (flags) => done(await (await import("./store.ts")).storeCollectCommand(io, flags)));
}
