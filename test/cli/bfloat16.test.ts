// A GPU too old for bfloat16 is told of, and not planned with. The GPU is played: nvidia-smi by a script, PyTorch by a module
// that answers what the probe asks.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run, temporary } from "../e2e/cli.ts";
import { folder, realPython, root } from "../python/pythons.ts";

function machineWith(name: string, capability: number): Record<string, string> {
  const torch = `
class version: hip = None
class Properties: name, total_memory, major = "${name}", 16 << 30, ${capability}
class cuda:
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda index: Properties)
`;
  const tools = folder({ "nvidia-smi": `#!/bin/sh\necho "${name}"\n` });
  chmodSync(join(tools, "nvidia-smi"), 0o755);
  const PATH = `${tools}:${process.env.PATH}`;
  return { PATH, PYTHONPATH: folder({ "torch.py": torch }), BACKTRAIL_PYTHON: realPython, CUDA_VISIBLE_DEVICES: "0" };
}

const plan = (env: Record<string, string>) =>
  run(["plan", join(root, "configs", "smoke.yaml"), "--json", "--set", `store=${temporary()}`], { env });

it("a GPU without bfloat16: plan takes float32 and says why, doctor names it", async () => {
  const old = machineWith("Tesla V100-SXM2-16GB", 7);
  const planned = await plan(old);
  expect(planned.err).toContain("Warning: Tesla V100-SXM2-16GB has no bfloat16");
  expect(planned.code).toBe(0);
  expect(planned.out).toContain("float32");
  expect(planned.out).not.toContain("bfloat16");
  expect((await run(["doctor"], { env: old })).out).toContain("16 GiB (no bfloat16: dtype auto is float32)");
}, 60_000);

it("a GPU with bfloat16: planned with, without a word", async () => {
  const planned = await plan(machineWith("NVIDIA H200", 9));
  expect(planned.err).not.toContain("bfloat16 (");
  expect(planned.out).toContain("bfloat16");
}, 60_000);
