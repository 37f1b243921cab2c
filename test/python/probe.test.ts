import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { probePython } from "../../src/python/probe.ts";
import { folder, options, realPython, script, withModules } from "./pythons.ts";

const patience = { timeout: 120_000 };

/** The one problem of a report that is not ok. */
async function problem(python: string, rest = options()): Promise<string> {
  const report = await probePython(python, rest);
  if (report.ok) throw new Error(`${python} was found fit: ${JSON.stringify(report)}`);
  expect(report.problems).toHaveLength(1);
  return report.problems[0] ?? "";
}

/** Whether a process exists and is no zombie (the system collects those when it likes). */
function runs(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

describe("probePython without a Python", patience, () => {
  it("says that a path leads nowhere, or to something that cannot be executed", async () => {
    expect(await problem("/nowhere/bin/python")).toMatch(/^\/nowhere\/bin\/python is not there: give the path of a Python/);
    const directory = folder();
    expect(await problem(directory)).toBe(
      `${directory} can't be executed: give the path of a Python interpreter (3.11 or newer), not of a folder`,
    );
  });

  it("sees at once that a program ended instead of answering, with its last words", async () => {
    expect(await problem(script("exit 0"))).toContain("ended with exit code 0 before it answered: is it a Python interpreter");
    expect(await problem(script("echo 'SyntaxError: invalid syntax' >&2; exit 3"))).toMatch(
      /ended with exit code 3 before it answered.*it said: SyntaxError: invalid syntax$/,
    );
  });

  it("ends a program that hangs at the deadline, and leaves no process behind", async () => {
    const pidFile = join(folder(), "pid");
    const text = await problem(script(`echo $$ > ${pidFile}; exec sleep 600`), options({ timeoutMs: 4000 }));
    expect(text).toContain("did not answer within 4 s");
    const pid = Number(readFileSync(pidFile, "utf8"));
    expect(runs(pid)).toBe(false);
  });
});

describe("probePython with a Python", patience, () => {
  it("reports versions and devices of a sound environment", async () => {
    const report = await probePython(realPython, options());
    if (!report.ok) throw new Error(report.problems.join("; "));
    expect(report.python).toMatch(/^3\.\d+\.\d+/);
    expect(report.extras).toBeNull();
    for (const name of ["torch", "transformers", "tokenizers", "safetensors", "numpy", "pyzmq", "msgspec"]) {
      expect(report.versions[name]).toMatch(/^\d+\.\d+/);
    }
    for (const { memoryBytes } of report.devices) expect(memoryBytes).toBeGreaterThan(1e9);
  });

  it("names what a Python without PyTorch lacks, and the command that installs it", async () => {
    const bare = script(`exec "${realPython}" -S "$@"`); // -S: no site-packages
    const text = await problem(bare);
    expect(text).toContain("lacks torch, transformers, tokenizers, safetensors, numpy, pyzmq, msgspec");
    expect(text).toContain(`${bare} -m pip install 'torch'`);
    expect(text).toContain("backtrail setup");
  });

  it("finds the answer between all that Python prints, even a line that looks like it", async () => {
    const junk = `import sys\nprint("backtrail-probe:{no json", flush=True)\nsys.stdout.write("\\x00 no line end")\nsys.stderr.write("Error: not one")\n`;
    const report = await probePython(realPython, withModules({ "sitecustomize.py": junk }));
    expect(report.ok).toBe(true);
  });

  it("says which package is too old and what is wanted", async () => {
    const old = { "torch-2.3.1+cu121.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.3.1+cu121\n" };
    expect(await problem(realPython, withModules(old))).toMatch(
      /^torch 2\.3\.1\+cu121 is too old: .* -m pip install 'torch>=2\.11'$/,
    );
  });

  it("survives modules that do not import: a broken PyTorch, a wheel for another Python", async () => {
    const broken = `raise ImportError("libcudart.so.12: cannot open shared object file")`;
    expect(await problem(realPython, withModules({ "torch.py": broken }))).toMatch(
      /^torch \S+ does not import in Python 3\.\S+ \(ImportError: libcudart\.so\.12: cannot open shared object file\)$/,
    );
    const foreign = { "msgspec/__init__.py": "from ._core import Struct" };
    expect(await problem(realPython, withModules(foreign))).toMatch(
      /^msgspec \S+ does not import in Python .*'msgspec\._core'/,
    );
  });

  it("survives a torch that ends the interpreter, by exit and by signal", async () => {
    expect(await problem(realPython, withModules({ "torch.py": "import os\nos._exit(7)" }))).toContain(
      "ended with exit code 7",
    );
    const crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)";
    expect(await problem(realPython, withModules({ "torch.py": crash }))).toContain("ended by SIGSEGV before it answered");
  });

  it("ends a Python that hangs in an import, with the fix in the message", async () => {
    const text = await problem(realPython, { ...withModules({ "torch.py": "import time\ntime.sleep(600)" }), timeoutMs: 5000 });
    expect(text).toContain("did not answer within 5 s");
    expect(text).toContain(`-c "import torch"`);
  });
});
