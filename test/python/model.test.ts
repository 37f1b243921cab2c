import { renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkModelAccess, memoryNeeds, showModel } from "../../src/python/probe.ts";
import { folder, options, realPython } from "./pythons.ts";

const llama = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 12,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
};
/** Embeddings, per layer attention, feed-forward and two norms, and the last norm. */
const llamaParameters = 12 * 16 + 2 * (4 * 16 * 16 + 3 * 16 * 32 + 2 * 16) + 16;

const words = { "<pad>": 0, "<end>": 1, "<backtrack>": 2, "1": 3, "+": 4, "=": 5, "2": 6 };
const tokenizer = {
  version: "1.0",
  added_tokens: ["<pad>", "<end>", "<backtrack>"].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: { type: "Split", pattern: { Regex: "." }, behavior: "Isolated", invert: false },
  post_processor: null,
  decoder: null,
  model: { type: "WordLevel", vocab: words, unk_token: "<pad>" },
};
const tokenizerFiles = {
  "tokenizer.json": JSON.stringify(tokenizer),
  "tokenizer_config.json": JSON.stringify({
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: "<pad>",
    eos_token: "<end>",
  }),
};

/** A safetensors file: the header's length, the header, the numbers. */
function writeSafetensors(path: string, tensors: Record<string, { dtype: string; shape: number[]; bytes: number }>): void {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, Buffer.alloc(offset)]));
}

const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9085657\n";

describe("memoryNeeds", () => {
  it("counts masters, gradients and both moments in fp32 for training, weights for decoding", () => {
    expect(memoryNeeds(1000)).toEqual({ train: 16_000, float32: 4000, bfloat16: 2000 });
  });
});

describe("showModel", { timeout: 120_000 }, () => {
  it("tells a model's shape from its config alone, and that it has no tokenizer", async () => {
    const directory = folder({ "config.json": JSON.stringify(llama) });
    const report = await showModel(realPython, directory, ["1+1"], options());
    expect(report).toMatchObject({
      modelType: "llama",
      fastEngineMisfit: null,
      causalLm: true,
      vocabulary: 12,
      context: 64,
      parameters: llamaParameters,
      storedDtypes: [],
      problem: expect.stringContaining("holds no tokenizer.json"),
    });
    expect(report).toHaveProperty("tokenizer.error");
  });

  it("reads sizes and dtypes from the headers of the files, and shows how samples tokenise", async () => {
    const directory = folder({ "config.json": JSON.stringify(llama), ...tokenizerFiles });
    writeSafetensors(join(directory, "model.safetensors"), {
      a: { dtype: "BF16", shape: [12, 16], bytes: 384 },
      b: { dtype: "F32", shape: [5], bytes: 20 },
    });
    const report = await showModel(realPython, directory, ["1+1=2<backtrack>"], options());
    expect(report).toMatchObject({ parameters: 12 * 16 + 5, storedDtypes: ["BF16", "F32"], problem: null });
    expect(report).toMatchObject({
      tokenizer: {
        size: 7,
        special: { pad_token: "<pad>", eos_token: "<end>" },
        backtrackToken: 2,
        samples: [{ text: "1+1=2<backtrack>", tokens: ["1", "+", "1", "=", "2", "<backtrack>"] }],
      },
    });
  });

  it("says that something is no causal language model, or no model at all", async () => {
    const vision = folder({ "config.json": JSON.stringify({ model_type: "vit" }) });
    expect(await showModel(realPython, vision, [], options())).toMatchObject({ modelType: "vit", causalLm: false });
    expect(await showModel(realPython, folder({ "config.json": "{" }), [], options())).toHaveProperty("error");
    expect(await showModel(realPython, "/nowhere/model", [], options())).toHaveProperty("error");
  });

  it("answers with a sentence when there is no Python", async () => {
    expect(await showModel("/nowhere/python", "x", [], options())).toEqual({
      error: "/nowhere/python is not there: give the path of a Python interpreter (3.11 or newer)",
    });
  });
});

describe("checkModelAccess", { timeout: 120_000 }, () => {
  const whole = (): string => {
    const directory = folder({ "config.json": JSON.stringify(llama), ...tokenizerFiles });
    writeSafetensors(join(directory, "model.safetensors"), { a: { dtype: "F32", shape: [40], bytes: 160 } });
    return directory;
  };
  const ask = (source: string, env: Record<string, string> = {}, revision?: string) =>
    checkModelAccess(realPython, { source, revision }, options({ env: { ...process.env, ...env } }));

  it("finds nothing wrong with a whole directory", async () => {
    expect(await ask(whole())).toBeUndefined();
    // Code beside a type that transformers has itself is left alone.
    const both = whole();
    writeFileSync(join(both, "config.json"), JSON.stringify({ ...llama, auto_map: { AutoConfig: "my.Config" } }));
    expect(await ask(both)).toBeUndefined();
  });

  it.each<[string, (directory: string) => void, RegExp]>([
    ["no config", (at) => rmSync(join(at, "config.json")), /holds no config\.json, so it is no checkpoint; it holds: model/],
    ["a broken config", (at) => writeFileSync(join(at, "config.json"), "{"), /config\.json is not JSON/],
    ["no tokenizer", (at) => rmSync(join(at, "tokenizer.json")), /holds no tokenizer\.json/],
    [
      "no weights",
      (at) => rmSync(join(at, "model.safetensors")),
      /lacks model\.safetensors: copy or download it again; only weights in safetensors/,
    ],
    [
      "pickled weights alone",
      (at) => renameSync(join(at, "model.safetensors"), join(at, "pytorch_model.bin")),
      /lacks model\.safetensors: pytorch_model\.bin is not read, since loading it can run code: save it again/,
    ],
    [
      "weights that Git LFS did not fetch",
      (at) => writeFileSync(join(at, "model.safetensors"), lfsPointer),
      /model\.safetensors is a pointer of Git LFS, not the weights: run `git lfs pull` there/,
    ],
    [
      "a tokenizer that Git LFS did not fetch",
      (at) => writeFileSync(join(at, "tokenizer.json"), lfsPointer),
      /tokenizer\.json is a pointer of Git LFS, not the file itself: run `git lfs pull` there/,
    ],
    [
      "half a tokenizer",
      (at) => truncateSync(join(at, "tokenizer.json"), 100),
      /tokenizer\.json is not JSON \(.*download it again/,
    ],
    [
      "a torn list of shards",
      (at) => writeFileSync(join(at, "model.safetensors.index.json"), '{"weight_m'),
      /model\.safetensors\.index\.json is not JSON \(.*download it again/,
    ],
    [
      "a list of shards that lists none",
      (at) => writeFileSync(join(at, "model.safetensors.index.json"), "{}"),
      /model\.safetensors\.index\.json names no files/,
    ],
    [
      "code of its own",
      (at) => {
        const own = { ...llama, architectures: ["MyForCausalLM"], model_type: "mine", auto_map: { AutoConfig: "my.Config" } };
        writeFileSync(join(at, "config.json"), JSON.stringify(own));
        writeFileSync(join(at, "my.py"), "raise SystemExit\n");
      },
      /wants code of its own to be run \(auto_map in config\.json\), which is never done: .* no causal model of type mine$/,
    ],
    [
      "a kind of model that transformers lacks",
      (at) => writeFileSync(join(at, "config.json"), JSON.stringify({ ...llama, model_type: "llama9" })),
      /: transformers \d+\.\S+ itself has no causal model of type llama9 \(model_type in config\.json\): a newer one may have it/,
    ],
    [
      "a kind of model that makes no text",
      (at) => writeFileSync(join(at, "config.json"), JSON.stringify({ ...llama, model_type: "clip" })),
      /itself has no causal model of type clip \(/,
    ],
    [
      "no kind of model",
      (at) => writeFileSync(join(at, "config.json"), JSON.stringify({ ...llama, model_type: undefined })),
      /: config\.json names no model_type; give a directory/,
    ],
    [
      "quantised weights",
      (at) => {
        const quantised = { ...llama, quantization_config: { quant_method: "bitsandbytes", load_in_4bit: true } };
        writeFileSync(join(at, "config.json"), JSON.stringify(quantised));
      },
      /is quantised \(bitsandbytes\): only float weights are trained and decoded\. Give the model it was made from/,
    ],
    [
      "weights cut short",
      (at) => truncateSync(join(at, "model.safetensors"), 200),
      /model\.safetensors is cut short: 200 bytes/,
    ],
    ["a header cut short", (at) => truncateSync(join(at, "model.safetensors"), 20), /no safetensors file, or is cut short/],
    [
      "a missing shard",
      (at) =>
        writeFileSync(join(at, "model.safetensors.index.json"), '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
      /lacks model-00001-of-00002\.safetensors/,
    ],
    [
      "another kind of model",
      (at) => writeFileSync(join(at, "config.json"), '{"architectures": ["BertForMaskedLM"]}'),
      /is a BertForMaskedLM, not a causal language model/,
    ],
  ])("says what is wrong with a directory: %s", async (_, spoil, expected) => {
    const directory = whole();
    spoil(directory);
    const said = await ask(directory);
    expect(said).toMatch(expected);
    expect(said).toContain(directory);
  });

  /** A Hub on this machine that knows one open model, one gated one and nothing else. */
  async function withHub(use: (env: Record<string, string>) => Promise<void>): Promise<void> {
    const config = JSON.stringify(llama);
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      const url = request.url ?? "";
      const [status, code, body] = url.includes("o/open")
        ? [200, "", url.includes("/tree/") ? JSON.stringify(tree) : config]
        : url.includes("o/gated")
          ? [403, "GatedRepo", ""]
          : [404, url.includes("o/moved") ? "RevisionNotFound" : "RepoNotFound", ""];
      const headers = { "x-error-code": code, etag: '"1"', "x-repo-commit": "f".repeat(40) };
      response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const names = ["config.json", "tokenizer.json", "model.safetensors"];
    const tree = names.map((path) => ({ type: "file", path, size: 1, oid: "0" }));
    const server = createServer(answer).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const env = { HF_ENDPOINT: `http://127.0.0.1:${port}`, HF_HOME: folder(), HF_HUB_OFFLINE: "0", HF_TOKEN: "" };
    try {
      await use(env);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  it("says what to do about a Hub id that cannot be had", async () => {
    await withHub(async (env) => {
      expect(await ask("o/open", env)).toBeUndefined();
      expect(await ask("o/gated", env)).toMatch(
        /^o\/gated is gated \(HF_TOKEN is not set\): accept its licence on the Hub and set HF_TOKEN, or use an open copy/,
      );
      expect(await ask("o/none", env)).toMatch(/^there is no model o\/none on the Hub, or it is private/);
      expect(await ask("o/moved", env, "v9")).toBe("o/moved has no revision v9: check model.revision");
      const offline = await ask("o/none", { ...env, HF_HUB_OFFLINE: "1" });
      expect(offline).toMatch(/^o\/none is not in the local cache, and HF_HUB_OFFLINE is set: unset it, or give a directory/);
    });
    expect(await ask("a/b/c")).toMatch(/^a\/b\/c is neither a directory nor a Hub id/);
  });
});
