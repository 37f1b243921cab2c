// backtrail doctor: what is here, what is missing and how to mend it.
import { readFile, statfs } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { type PythonReport, probePython, showModel } from "../python/probe.ts";
import { findPython } from "../setup/environment.ts";
import { type Check, deepspeedCheck, hugePagesCheck, hugePagesFile, loraCheck } from "./doctorOptional.ts";
import type { ExitCode, Io } from "./io.ts";
import { engineFor, modelPlace } from "./model.ts";
import { visibleGpus } from "./sweep.ts";

const minimumNode = [20, 19] as const;

/** Exit code 2 when something that `run` needs is missing. `model`: a directory or Hub id to be asked about as well. */
export async function doctorCommand(io: Io, flags: { json: boolean; model?: string }): Promise<ExitCode> {
  const checks = [
    nodeCheck(),
    machineCheck(),
    await diskCheck(io),
    await gpuCheck(io),
    ...(await pagesChecks()),
    ...(await pythonChecks(io, flags.model)),
  ];
  const ok = checks.every((check) => check.ok || check.optional);
  if (flags.json) io.out(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  else {
    const width = Math.max(...checks.map((check) => check.name.length));
    for (const { name, ok: right, optional, found, fix } of checks) {
      const word = right ? "ok     " : optional ? "note   " : "MISSING";
      io.out(`${word}  ${name.padEnd(width)}  ${found}\n`);
      if (!right && fix !== undefined) io.out(`         ${" ".repeat(width)}  -> ${fix}\n`);
    }
    io.out(ok ? "\nReady: npm run quickstart\n" : "\nNot ready. `backtrail run --mock` works without Python.\n");
  }
  return ok ? 0 : 2;
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1]);
  return { name: "Node", ok, found: process.versions.node, fix: `install Node ${minimumNode.join(".")} or newer` };
}

function machineCheck(): Check {
  const cores = cpus();
  return {
    name: "machine",
    ok: true,
    found: `${cores.length} cores (${cores[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}

async function diskCheck(io: Io): Promise<Check> {
  const { bavail, bsize } = await statfs(io.cwd);
  const gib = (bavail * bsize) / 2 ** 30;
  return {
    name: "disk",
    ok: gib >= 2,
    found: `${gib.toFixed(0)} GiB free here`,
    fix: "free at least 2 GiB, or put `store:` on another disk",
  };
}

async function gpuCheck(io: Io): Promise<Check> {
  const gpus = await visibleGpus(io.env);
  return {
    name: "GPU",
    ok: true,
    found: gpus.length === 0 ? "none seen by nvidia-smi: models run on the CPU in float32" : gpus.join(", "),
  };
}

/** None where the system knows no such setting. */
async function pagesChecks(): Promise<Check[]> {
  const setting = await readFile(hugePagesFile, "utf8").catch(() => undefined);
  return setting === undefined ? [] : [hugePagesCheck(setting)];
}

async function pythonChecks(io: Io, model: string | undefined): Promise<Check[]> {
  const found = findPython(io.env, io.root);
  if (found === undefined) {
    return [
      {
        name: "Python",
        ok: false,
        found: "no .venv, and BACKTRAIL_PYTHON is not set",
        fix: "run `backtrail setup`, or set BACKTRAIL_PYTHON to a Python that has PyTorch",
      },
    ];
  }
  const options = { timeoutMs: 120_000, root: io.root, env: io.env, extras: true };
  const report: PythonReport = await probePython(found.python, options);
  const where = `${found.python} (${found.from})`;
  if (!report.ok) return [{ name: "Python", ok: false, found: where, fix: report.problems.join("; ") }];
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  const device = report.devices.map(
    ({ name, memoryBytes, bfloat16 }) =>
      `${name} ${Math.round(memoryBytes / 2 ** 30)} GiB${bfloat16 ? "" : " (no bfloat16: dtype auto is float32)"}`,
  );
  return [
    { name: "Python", ok: true, found: where },
    { name: "packages", ok: true, found: versions.join(", ") },
    { name: "PyTorch devices", ok: true, found: device.length === 0 ? "cpu" : device.join(", ") },
    deepspeedCheck(report),
    loraCheck(report),
    decodingCheck(report.fastModelTypes),
    ...(model === undefined ? [] : [await modelCheck(io, found.python, model)]),
  ];
}

function decodingCheck(fastModelTypes: readonly string[]): Check {
  const types = fastModelTypes.join(" and ");
  return {
    name: "decoding",
    ok: true,
    found: `fast engine for models of the shape of ${types}, generic engine for all others (--model says which one it is, and why)`,
  };
}

/** Which engine would decode a model, and why it is not the fast one. */
async function modelCheck(io: Io, python: string, source: string): Promise<Check> {
  const place = await modelPlace(io, source);
  const report = await showModel(python, place, [], { timeoutMs: 180_000, root: io.root, env: io.env });
  const name = "model";
  if ("error" in report) return { name, ok: false, found: source, fix: report.error };
  const { modelType, causalLm, fastEngineMisfit, problem } = report;
  if (!causalLm)
    return { name, ok: false, found: `${source} (${modelType})`, fix: "it is no causal language model: choose one that is" };
  if (problem !== null) return { name, ok: false, found: `${source} (${modelType})`, fix: problem };
  return { name, ok: true, found: `${source} (${modelType}): ${engineFor(fastEngineMisfit)}` };
}
