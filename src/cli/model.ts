// backtrail model show: a checkpoint before it is used.
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import type { Json } from "../lib/hash.ts";
import { decodeMemory, trainMemory, usualSlots } from "../plan/estimate.ts";
import { modelShape } from "../plan/estimateModel.ts";
import { memoryNeeds, showModel } from "../python/probe.ts";
import { findPython } from "../setup/environment.ts";
import { findFormat } from "../trace/registry.ts";
import type { ExitCode, Io } from "./io.ts";

/** Sizes for which `model show` tells the memory with activations and cache. */
const shown = { trainTokens: 16_384, decodeRows: usualSlots("gpu"), decodeTokens: 192 };

/** A directory that is there as an absolute path; anything else is taken as an id of the Hub. */
export async function modelPlace(io: Io, source: string): Promise<string> {
  const directory = resolve(io.cwd, source);
  const local = (await stat(directory).catch(() => undefined))?.isDirectory() ?? false;
  return local ? directory : source;
}

/** Which engine decodes a model when `engine` is "auto", as a clause. */
export function engineFor(fastEngineMisfit: string | null): string {
  return fastEngineMisfit === null ? "fast engine" : `generic engine; the fast one does not suit: ${fastEngineMisfit}`;
}

/** Bytes by their use, activations and cache counted, at the sizes shown; null for a type whose arithmetic is not known. */
function memoryInAll(config: Readonly<Record<string, Json | undefined>>) {
  const shape = modelShape(config);
  if (shape === undefined) return null;
  const train = (compute: "float32" | "bfloat16") =>
    trainMemory(shape, { compute, microTokens: shown.trainTokens, checkpointing: false });
  return {
    train: { tokens: shown.trainTokens, float32: train("float32"), bfloat16: train("bfloat16") },
    decode: {
      rows: shown.decodeRows,
      tokens: shown.decodeTokens,
      bfloat16: decodeMemory(shape, { compute: "bfloat16", slots: shown.decodeRows, tokens: shown.decodeTokens }),
    },
  };
}

/** Throws UserError("model") when the model can't be read, saying what to do. */
export async function modelShowCommand(io: Io, source: string, flags: { json: boolean }): Promise<ExitCode> {
  const found = findPython(io.env, io.root);
  if (found === undefined)
    throw new UserError(
      "python-missing",
      "model show needs Python: run `backtrail setup`, or set BACKTRAIL_PYTHON to a Python that has PyTorch.",
    );
  const format = findFormat("countdown", "self-backtracking");
  const samples = [
    `${format.prompt({ puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 })}45-39=6\n10*6=60\n2+60=62\n${format.markers.goal}`,
  ];
  const report = await showModel(found.python, await modelPlace(io, source), samples, {
    timeoutMs: 180_000,
    root: io.root,
    env: io.env,
  });
  if ("error" in report) throw new UserError("model", `${report.error}.`);
  const needs = report.parameters === null ? undefined : memoryNeeds(report.parameters);
  const inAll = memoryInAll(report.config);
  if (flags.json) {
    io.out(`${JSON.stringify({ source, ...report, memoryBytes: needs ?? null, memoryInAll: inAll }, null, 2)}\n`);
    return 0;
  }
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  io.out(`${source}: ${report.modelType}${report.causalLm ? "" : " (NOT a causal language model: it cannot be used)"}\n`);
  if (report.problem !== null) io.out(`NOT USABLE   ${report.problem}\n`);
  if (report.parameters !== null) io.out(`parameters   ${report.parameters.toLocaleString("en")}\n`);
  io.out(
    `vocabulary   ${report.vocabulary ?? "?"}, context ${report.context ?? "?"} tokens, stored as ${report.storedDtypes.join(", ") || report.dtype || "?"}\n`,
  );
  if (needs !== undefined)
    io.out(
      `memory       train ${gib(needs.train)} (weights, gradients, Adam; activations not counted), decode ${gib(needs.float32)} in float32, ${gib(needs.bfloat16)} in bfloat16 (cache not counted)\n`,
    );
  if (inAll !== null) {
    const { train, decode } = inAll;
    io.out(
      `             in all about ${gib(train.bfloat16.total)} to train with ${train.tokens} tokens at once (${gib(train.float32.total)} in float32), ${gib(decode.bfloat16.total)} to decode ${decode.rows} rows of ${decode.tokens} tokens in bfloat16\n`,
    );
  }
  if (report.causalLm) io.out(`decoding     ${engineFor(report.fastEngineMisfit)}\n`);
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
