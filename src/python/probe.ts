// Questions to the Python side: what is installed, what a checkpoint holds. Each is asked in a process of its own that ends with
// the answer, has a deadline and cannot take us down: pythonia dies with its interpreter in ways that cannot be caught.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ProbeRequest, probeMarker, pythonEnded } from "./wire.ts";

export interface ProbeOptions {
  readonly timeoutMs: number;
  /** The folder that holds py/. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A GPU that PyTorch can use. */
export interface PythonDevice {
  readonly name: string;
  readonly memoryBytes: number;
  /** Whether it computes in bfloat16 by itself; older GPUs emulate it, slowly. */
  readonly bfloat16: boolean;
}

/** Of packages that nothing needs, those that are installed; importing them takes seconds. */
export interface Extras {
  /** Package -> why it does not import. */
  readonly broken: Readonly<Record<string, string>>;
  /** Whether there is the C++ compiler that PyTorch would use. */
  readonly compiler: boolean;
}

export type PythonReport =
  | {
      readonly ok: true;
      readonly python: string;
      readonly versions: Readonly<Record<string, string>>;
      readonly devices: readonly PythonDevice[];
      /** Types of models that the fast decoding engine computes. */
      readonly fastModelTypes: readonly string[];
      /** Where it was asked for. */
      readonly extras: Extras | null;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface ModelReport {
  readonly modelType: string;
  readonly causalLm: boolean;
  /** Of a directory: why a run would refuse it; null: it would not. */
  readonly problem: string | null;
  /** Why the fast decoding engine does not suit; null: it does. */
  readonly fastEngineMisfit: string | null;
  readonly vocabulary: number | null;
  readonly context: number | null;
  readonly dtype: string;
  readonly parameters: number | null;
  readonly bytes: number | null;
  readonly storedDtypes: readonly string[];
  /** The plain values of its config (transformers' names). */
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly tokenizer:
    | { readonly error: string }
    | {
        readonly class: string;
        readonly size: number;
        readonly special: Readonly<Record<string, string>>;
        readonly backtrackToken: number | null;
        readonly samples: readonly { readonly text: string; readonly tokens: readonly string[] }[];
      };
}

type Asked = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly problem: string };

/**
 * What a Python has; with `extras` also whether its optional packages work. Never throws for a bad Python: the problems say what
 * is wrong and how to mend it.
 */
export async function probePython(
  python: string,
  { extras: isAsked = false, ...options }: ProbeOptions & { readonly extras?: boolean },
): Promise<PythonReport> {
  const asked = await ask(python, "environment", [isAsked], options);
  if (!asked.ok) return { ok: false, problems: [asked.problem] };
  const answer = asked.answer as {
    python: string;
    versions: Record<string, string>;
    missing: string[];
    devices: PythonDevice[];
    fastModelTypes: string[];
    extras: Extras | null;
    problems: string[];
  };
  const missing =
    answer.missing.length === 0
      ? []
      : [
          `${python} (Python ${answer.python}) lacks ${answer.missing.join(", ")}. Install there: ${python} -m pip install ${answer.missing.map((item) => `'${item}'`).join(" ")}; or let \`backtrail setup\` make .venv, with BACKTRAIL_PYTHON unset`,
        ];
  const problems = [...missing, ...answer.problems];
  if (problems.length > 0) return { ok: false, problems };
  const { python: version, versions, devices, fastModelTypes, extras } = answer;
  return { ok: true, python: version, versions, devices, fastModelTypes, extras };
}

/** A checkpoint's type, size and tokenizer, and how sample texts tokenise. No weights are loaded. */
export async function showModel(
  python: string,
  source: string,
  samples: readonly string[],
  options: ProbeOptions,
): Promise<ModelReport | { readonly error: string }> {
  const asked = await ask(python, "model", [source, samples], options);
  return asked.ok ? (asked.answer as ModelReport | { error: string }) : { error: asked.problem };
}

/**
 * Whether a checkpoint directory is whole, or a Hub id can be had from here: undefined, or a sentence that says what is wrong
 * and what to do. Reads headers and lists of files, downloads config.json at most, imports no torch: to be asked before
 * anything that takes time.
 */
export async function checkModelAccess(
  python: string,
  model: { readonly source: string; readonly revision?: string | undefined },
  options: ProbeOptions,
): Promise<string | undefined> {
  const asked = await ask(python, "access", [model.source, model.revision ?? null], options);
  return asked.ok ? (asked.answer as { error?: string }).error : asked.problem;
}

/** Bytes that a model of so many parameters needs: fp32 masters, gradients and two Adam moments to train; weights to decode. */
export function memoryNeeds(parameters: number): {
  readonly train: number;
  readonly float32: number;
  readonly bfloat16: number;
} {
  return { train: 16 * parameters, float32: 4 * parameters, bfloat16: 2 * parameters };
}

async function ask(
  python: string,
  call: ProbeRequest["call"],
  args: ProbeRequest["args"],
  options: ProbeOptions,
): Promise<Asked> {
  const here = fileURLToPath(import.meta.url);
  const fromSource = here.endsWith(".ts");
  const tsx = fromSource ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
  const request: ProbeRequest = { call, args };
  const ended = await runChild([...tsx, join(here, "..", fromSource ? "child.ts" : "child.js"), JSON.stringify(request)], {
    timeoutMs: options.timeoutMs,
    env: {
      ...options.env,
      PYTHON_BIN: python,
      PYTHONPATH: [join(options.root, "py"), options.env.PYTHONPATH].filter((item) => item).join(delimiter),
      // Ours comes first: it ends the interpreter too.
      REQ_TIMEOUT: String(2 * options.timeoutMs),
      TRANSFORMERS_VERBOSITY: "error",
    },
  });
  return answerOf(ended, python, options.timeoutMs);
}

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly late: boolean;
}

/** Runs this Node with the arguments to its end or to the deadline. Never rejects. */
function runChild(
  args: readonly string[],
  { timeoutMs, env }: { timeoutMs: number; env: Record<string, string | undefined> },
): Promise<Ended> {
  return new Promise((resolve) => {
    // A group of its own: the interpreter goes with it.
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let out = "";
    let err = "";
    let late = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // The answer is at the end; a Python that prints without end must not fill our memory.
      out = (out + text).slice(-maxOutput);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err = (err + text).slice(-maxErrors);
    });
    const finish = () => resolve({ out, err, late });
    const timer = setTimeout(() => {
      late = true;
      killGroup(child.pid);
    }, timeoutMs);
    child.on("error", (error) => {
      err += error.message;
      clearTimeout(timer);
      finish();
    });
    child.on("exit", () => {
      clearTimeout(timer);
      killGroup(child.pid);
      // `close` says that the streams are read to their end; something that left the group may hold them open.
      setTimeout(finish, 2000).unref();
    });
    child.on("close", finish);
  });
}

const maxOutput = 4_000_000;
const maxErrors = 8000;

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

function answerOf({ out, err, late }: Ended, python: string, timeoutMs: number): Asked {
  const line = out.split("\n").findLast((text) => text.startsWith(probeMarker));
  const answer = line === undefined ? undefined : parsed(line.slice(probeMarker.length));
  if (answer !== undefined) return { ok: true, answer };
  return { ok: false, problem: problemOf(err, late, python, timeoutMs) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a print of somebody else that began like ours
  }
}

/** What the child's last words mean, as one sentence. */
function problemOf(err: string, late: boolean, python: string, timeoutMs: number): string {
  if (late) {
    const seconds = Math.round(timeoutMs / 1000);
    return `${python} did not answer within ${seconds} s: the machine may be too busy, or its disk too slow; see how long \`${python} -c "import torch"\` takes`;
  }
  if (/spawn .*ENOENT/.test(err)) return `${python} is not there: give the path of a Python interpreter (3.11 or newer)`;
  if (/spawn .*(EACCES|ENOTDIR)/.test(err)) {
    return `${python} can't be executed: give the path of a Python interpreter (3.11 or newer), not of a folder`;
  }
  const lines = err
    .split("\n")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  const end = lines.find((text) => text.startsWith(pythonEnded))?.slice(pythonEnded.length);
  const said = lines.filter((text) => !text.startsWith(pythonEnded));
  const reason = said.findLast((text) => /^(\S+ )*[\w.]*(Error|Exception)\b/.test(text)) ?? said.at(-1);
  if (end === undefined) return `${python} could not be asked: ${(reason ?? "it gave no answer").slice(0, 300)}`;
  const last = reason === undefined ? "" : `; it said: ${reason.slice(0, 300)}`;
  return `${python} ended${end} before it answered: is it a Python interpreter (3.11 or newer)?${last}`;
}
