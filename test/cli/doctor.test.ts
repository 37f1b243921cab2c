// backtrail doctor: what it finds with a Python and without one, and what it says of decoding engines and DeepSpeed.
import { describe, expect, it } from "vitest";
import { doctorCommand } from "../../src/cli/doctor.ts";
import { deepspeedCheck, hugePagesCheck, loraCheck } from "../../src/cli/doctorOptional.ts";
import type { Io } from "../../src/cli/io.ts";
import { engineFor } from "../../src/cli/model.ts";
import { folder, realPython, root } from "../python/pythons.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly fix?: string;
}

async function doctor(flags: { json?: boolean; model?: string }, place: Partial<Pick<Io, "root" | "env">> = {}) {
  const out: string[] = [];
  const code = await doctorCommand(
    {
      out: (text) => void out.push(text),
      err: () => undefined,
      drained: async () => undefined,
      stdin: process.stdin,
      env: { ...process.env, BACKTRAIL_PYTHON: realPython },
      cwd: folder(),
      root,
      version: "test",
      outIsTerminal: false,
      errIsTerminal: false,
      width: 120,
      colour: false,
      signal: new AbortController().signal,
      ...place,
    },
    { json: false, ...flags },
  );
  return { code, text: out.join("") };
}

function checksOf(text: string): Map<string, Check> {
  const { checks } = JSON.parse(text) as { checks: Check[] };
  return new Map(checks.map((check) => [check.name, check]));
}

const shape = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 12 };
/** A whole checkpoint as far as files go: its weights file holds no tensor. */
const modelFolder = (config: Record<string, unknown>) =>
  folder({
    "config.json": JSON.stringify({ ...shape, ...config }),
    "tokenizer.json": "{}",
    "model.safetensors": "\u0002\0\0\0\0\0\0\0{}",
  });

describe("doctor", () => {
  it("names the fast engine where nothing speaks against it", () => {
    expect(engineFor(null)).toBe("fast engine");
  });

  it("without a Python: names what is missing and how to mend it, exit code 2", async () => {
    const bare = { root: folder(), env: { PATH: process.env.PATH } };
    const { code, text } = await doctor({}, bare);
    expect(code).toBe(2);
    expect(text).toMatch(/^MISSING {2}Python +no \.venv, and BACKTRAIL_PYTHON is not set$/m);
    expect(text).toContain("-> run `backtrail setup`");
    const { text: json } = await doctor({ json: true }, bare);
    expect(JSON.parse(json)).toMatchObject({ ok: false });
    expect(checksOf(json).get("decoding")).toBeUndefined();
  });

  it("says which engine decodes a model, why it is not the fast one, and whether DeepSpeed is there", async () => {
    const { code, text } = await doctor({ json: true, model: modelFolder({ model_type: "llama", attention_bias: true }) });
    const checks = checksOf(text);
    expect(code, text).toBe(0);
    expect(checks.get("decoding")?.found).toMatch(
      /^fast engine for models of the shape of llama and qwen2, generic engine for all/,
    );
    expect(checks.get("DeepSpeed")?.found).toMatch(/^(\d+\.\d+|not installed: .*\(same results, more memory\)$)/);
    expect(checks.get("model")).toMatchObject({ ok: true });
    expect(checks.get("model")?.found).toMatch(
      / \(llama\): generic engine; the fast one does not suit: it has no biases but those of qwen2$/,
    );
  });

  it("tells optional packages that do not import, with the reason; a failure only where something else imports them", async () => {
    const modules = {
      "accelerate-1.1.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: accelerate\nVersion: 1.1.1\n",
      "deepspeed/__init__.py": `raise ImportError("cannot import name 'log'")`,
      "deepspeed-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: deepspeed\nVersion: 9.9.9\n",
      "peft.py": "import nowhere_to_be_found",
      "peft-8.8.8.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 8.8.8\n",
    };
    const env = { ...process.env, BACKTRAIL_PYTHON: realPython, PYTHONPATH: folder(modules) };
    const { code, text } = await doctor({}, { env });
    expect(code, text).toBe(2);
    const reason = "9.9.9 does not import (ImportError: cannot import name 'log')";
    expect(text).toContain(`\nMISSING  DeepSpeed        ${reason}\n`);
    expect(text).toMatch(/^ +-> install it anew or uninstall it: as it is, no trained model can be saved$/m);
    expect(text).toMatch(/^note {5}LoRA +peft 8\.8\.8 does not import \(ModuleNotFoundError: No module named 'nowhere_to/m);
    const extras = { broken: { deepspeed: "OSError: no" }, compiler: true };
    const alone = {
      ok: true,
      python: "3.12.1",
      versions: { deepspeed: "9" },
      devices: [],
      fastModelTypes: [],
      extras,
    } as const;
    expect(deepspeedCheck(alone)).toMatchObject({ ok: false, optional: true, found: "9 does not import (OSError: no)" });
  });

  it("tells that DeepSpeed has no compiler for ranks on a CPU", async () => {
    const modules = {
      "deepspeed/__init__.py": "",
      "deepspeed/utils/__init__.py": "",
      "deepspeed/utils/tensor_fragment.py": "",
      "deepspeed-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: deepspeed\nVersion: 9.9.9\n",
    };
    const env = { ...process.env, BACKTRAIL_PYTHON: realPython, PYTHONPATH: folder(modules), CUDA_VISIBLE_DEVICES: "" };
    const { text } = await doctor({ json: true }, { env: { ...env, CXX: "/nowhere/c++" } });
    expect(checksOf(text).get("DeepSpeed")).toMatchObject({ ok: false, optional: true });
    expect(checksOf(text).get("DeepSpeed")?.found).toMatch(/^9\.9\.9, but there is no C\+\+ compiler/);
    expect(JSON.parse(text)).toMatchObject({ ok: true });
    const { text: json } = await doctor({ json: true }, { env: { ...env, CXX: process.execPath } });
    expect(checksOf(json).get("DeepSpeed")).toEqual({ name: "DeepSpeed", ok: true, found: "9.9.9" });
  });

  it("says what huge pages and LoRA lack", () => {
    const bare = { ok: true, python: "3.12.1", versions: {}, devices: [], fastModelTypes: [], extras: null } as const;
    expect(loraCheck(bare)).toMatchObject({ ok: true, found: expect.stringContaining("peft is not installed") });
    expect(hugePagesCheck("always madvise [never]\n")).toMatchObject({ ok: false, optional: true });
    expect(hugePagesCheck("always [madvise] never\n")).toEqual({ name: "huge pages", ok: true, found: "madvise" });
  });

  it("takes a model that cannot be used as something missing, and says the rest all the same", async () => {
    const { code, text } = await doctor({ model: modelFolder({ model_type: "vit" }) });
    expect(code).toBe(2);
    expect(text).toMatch(/^MISSING {2}model .* \(vit\)$/m);
    expect(text).toContain("-> it is no causal language model");
    const bare = folder({ "config.json": JSON.stringify({ ...shape, model_type: "llama" }) });
    const half = await doctor({ model: bare });
    expect(half.code).toBe(2);
    expect(half.text).toContain(`-> ${bare} holds no tokenizer.json`);
    expect(text).toMatch(/^ok {7}decoding +fast engine for models/m);
  });
});
