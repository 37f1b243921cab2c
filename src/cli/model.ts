// backtrail model show: a checkpoint before it is used.
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { memoryNeeds, showModel } from "../python/probe.ts";
import { findPython } from "../setup/environment.ts";
import { findFormat } from "../trace/registry.ts";
import type { ExitCode, Io } from "./io.ts";

/** Throws UserError("model") when the model can't be read, saying what to do. */
export async function modelShowCommand(io: Io, source: string, flags: { json: boolean }): Promise<ExitCode> {
  const found = findPython(io.env, io.root);
  if (found === undefined)
    throw new UserError(
      "python-missing",
      "model show needs Python: run `backtrail setup`, or set BACKTRAIL_PYTHON to a Python that has PyTorch.",
    );
  const directory = resolve(io.cwd, source);
  const local = (await stat(directory).catch(() => undefined))?.isDirectory() ?? false;
  const format = findFormat("countdown", "self-backtracking");
  const samples = [
    `${format.prompt({ puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 })}45-39=6\n10*6=60\n2+60=62\n${format.markers.goal}`,
  ];
  const report = await showModel(found.python, local ? directory : source, samples, {
    timeoutMs: 180_000,
    root: io.root,
    env: io.env,
  });
  if ("error" in report) throw new UserError("model", modelProblem(source, report.error, io));
  const needs = report.parameters === null ? undefined : memoryNeeds(report.parameters);
  if (flags.json) {
    io.out(`${JSON.stringify({ source, ...report, memoryBytes: needs ?? null }, null, 2)}\n`);
    return 0;
  }
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  io.out(`${source}: ${report.modelType}${report.causalLm ? "" : " (NOT a causal language model: it cannot be used)"}\n`);
  if (report.parameters !== null) io.out(`parameters   ${report.parameters.toLocaleString("en")}\n`);
  io.out(
    `vocabulary   ${report.vocabulary ?? "?"}, context ${report.context ?? "?"} tokens, stored as ${report.storedDtypes.join(", ") || report.dtype || "?"}\n`,
  );
  if (needs !== undefined)
    io.out(
      `memory       train ${gib(needs.train)} (weights, gradients, Adam; activations not counted), decode ${gib(needs.float32)} in float32, ${gib(needs.bfloat16)} in bfloat16 (cache not counted)\n`,
    );
  const { tokenizer } = report;
  if ("error" in tokenizer) {
    io.out(`tokenizer    cannot be read: ${tokenizer.error}\n`);
    return 0;
  }
  io.out(
    `tokenizer    ${tokenizer.class}, ${tokenizer.size} tokens; ${Object.entries(tokenizer.special)
      .map(([name, token]) => `${name} ${token}`)
      .join(", ")}\n`,
  );
  io.out(
    `<backtrack>  ${tokenizer.backtrackToken === null ? "not a token yet: it is added when the model is loaded" : `token ${tokenizer.backtrackToken}`}\n`,
  );
  for (const sample of tokenizer.samples)
    io.out(`sample       ${sample.tokens.length} tokens: ${sample.tokens.map((token) => JSON.stringify(token)).join(" ")}\n`);
  return 0;
}

function modelProblem(source: string, error: string, io: Io): string {
  if (/gated|401|403|restricted/i.test(error)) {
    return `${source}: access is refused. Accept its licence on the Hub and set HF_TOKEN, or use an open copy such as unsloth/Llama-3.2-1B.`;
  }
  const offline = io.env.HF_HUB_OFFLINE
    ? " HF_HUB_OFFLINE is set, so only what is in the cache or in a local directory can be used."
    : "";
  return `${source}: cannot be read as a model (${error.split("\n")[0]}).${offline} Give a directory in save_pretrained layout, or a Hub id that this machine can reach.`;
}
