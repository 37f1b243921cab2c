// Questions to the Python side: what is installed, what a checkpoint holds. Each is asked in a process of its own that ends with
// the answer, has a deadline and cannot take us down: pythonia dies with its interpreter in ways that cannot be caught.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export interface ProbeOptions {
  readonly timeoutMs: number;
  /** The folder that holds py/. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type PythonReport =
  | {
      readonly ok: true;
      readonly python: string;
      readonly versions: Readonly<Record<string, string>>;
      readonly devices: readonly { readonly name: string; readonly memoryBytes: number }[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface ModelReport {
  readonly modelType: string;
  readonly causalLm: boolean;
  readonly vocabulary: number | null;
  readonly context: number | null;
  readonly dtype: string;
  readonly parameters: number | null;
  readonly bytes: number | null;
  readonly storedDtypes: readonly string[];
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

const marker = "backtrail-probe:";

/** What a Python has. Never throws for a bad Python: the problems say what is wrong and how to mend it. */
export async function probePython(python: string, options: ProbeOptions): Promise<PythonReport> {
  const asked = await ask(python, "environment", [], options);
  if (!asked.ok) return { ok: false, problems: [asked.problem] };
  const answer = asked.answer as {
    python: string;
    versions: Record<string, string>;
    missing: string[];
    devices: { name: string; memoryBytes: number }[];
    problems: string[];
  };
  const missing =
    answer.missing.length === 0
      ? []
      : [`it lacks ${answer.missing.join(", ")}: install them there, or unset BACKTRAIL_PYTHON and run \`backtrail setup\``];
  const problems = [...missing, ...answer.problems];
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, python: answer.python, versions: answer.versions, devices: answer.devices };
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

/** Bytes that a model of so many parameters needs: fp32 masters, gradients and two Adam moments to train; weights to decode. */
export function memoryNeeds(parameters: number): {
  readonly train: number;
  readonly float32: number;
  readonly bfloat16: number;
} {
  return { train: 16 * parameters, float32: 4 * parameters, bfloat16: 2 * parameters };
}

function ask(python: string, call: string, args: readonly unknown[], options: ProbeOptions): Promise<Asked> {
  const here = fileURLToPath(import.meta.url);
  const fromSource = here.endsWith(".ts");
  const tsx = fromSource ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
  const child = join(here, "..", fromSource ? "child.ts" : "child.js");
  const path = [join(options.root, "py"), options.env.PYTHONPATH].filter((item) => item).join(delimiter);
  const env = {
    ...options.env,
    PYTHON_BIN: python,
    PYTHONPATH: path,
    REQ_TIMEOUT: String(options.timeoutMs),
    TRANSFORMERS_VERBOSITY: "error",
  };
  return new Promise((resolve) => {
    // A group of its own: at the deadline the interpreter goes with it.
    const process = spawn(globalThis.process.execPath, [...tsx, child, JSON.stringify({ call, args })], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let out = "";
    let err = "";
    let late = false;
    process.stdout.on("data", (data: Buffer) => {
      out += data.toString();
    });
    process.stderr.on("data", (data: Buffer) => {
      err = (err + data.toString()).slice(-8000);
    });
    const timer = setTimeout(() => {
      late = true;
      killGroup(process.pid);
    }, options.timeoutMs);
    process.on("error", (error) => resolve({ ok: false, problem: `the probe could not be started: ${error.message}` }));
    // `exit`, not `close`: a Python that outlives its parent would hold the streams open.
    process.on("exit", () => {
      clearTimeout(timer);
      setTimeout(() => {
        killGroup(process.pid);
        resolve(answerOf(out, err, late, python, options.timeoutMs));
      }, 50);
    });
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

function answerOf(out: string, err: string, late: boolean, python: string, timeoutMs: number): Asked {
  const line = out.split("\n").find((text) => text.startsWith(marker));
  if (line !== undefined) return { ok: true, answer: JSON.parse(line.slice(marker.length)) as unknown };
  if (late) return { ok: false, problem: `${python} did not answer within ${Math.round(timeoutMs / 1000)} s` };
  if (/ENOENT/.test(err)) return { ok: false, problem: `${python} is not there: give the path of a Python interpreter` };
  if (/EACCES/.test(err)) return { ok: false, problem: `${python} may not be executed: give the path of a Python interpreter` };
  const lines = err
    .split("\n")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  const reason = lines.findLast((text) => /Error|Exception/.test(text)) ?? lines.at(-1) ?? "it ended without an answer";
  return { ok: false, problem: `${python} could not be asked: ${reason.slice(0, 300)}` };
}
