// kill -9 of the torch worker in each phase of a generate call (loading, prefill, decoding, streaming chunks): the pool asks
// another worker, and what the caller gets is what an undisturbed worker gives.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ModelSpec, Params } from "../../src/protocol/primitives.ts";
import type { PoolEvent } from "../../src/worker/events.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { createPool, type Pool } from "../../src/worker/pool.ts";
import { keptDirectory, tinyModel, tokenizerDirectory } from "./helpers.ts";

const python = process.env.BACKTRAIL_PYTHON ?? fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));

type Kind = "prefill" | "decode" | "stream";
interface Got {
  /** One line for each completion in order. */
  readonly completions: readonly string[];
  readonly result: unknown;
  readonly restarts: number;
  readonly chunks: number;
}

describe("a torch worker killed with -9", { timeout: 180_000 }, () => {
  let pool: Pool;
  let model: ModelSpec;
  let watch: (event: PoolEvent) => void = () => undefined;
  const expected = new Map<Kind, Got>();

  beforeAll(async () => {
    if (!existsSync(python)) throw new Error(`${python} does not exist: run \`backtrail setup\``);
    const tiny = tinyModel(tokenizerDirectory(true));
    if (tiny.source.kind !== "architecture") throw new Error("tinyModel is an architecture");
    // Large enough that a prefill of the calls below takes a second, small enough to be made in no time.
    const shape = { hidden_size: 256, intermediate_size: 768, num_hidden_layers: 4, num_attention_heads: 4 };
    model = { ...tiny, source: { ...tiny.source, config: { ...tiny.source.config, ...shape, num_key_value_heads: 4 } } };
    pool = await createPool({
      launcher: localLauncher({ flavour: "torch", python, environment: process.env }),
      size: 1,
      threads: 1,
      device: "cpu",
      logDirectory: join(keptDirectory(), "logs"),
      onEvent: (event) => watch(event),
    });
  });
  afterAll(() => pool?.close());

  /** Prefixes, completions of each, new tokens, rows at a time. */
  const calls: Record<Kind, { prefixes: number; length: number; each: number; budget: number; slots: number }> = {
    prefill: { prefixes: 150, length: 110, each: 1, budget: 2, slots: 0 },
    // Fewer than fill a chunk: nothing leaves before the end.
    decode: { prefixes: 40, length: 9, each: 4, budget: 60, slots: 12 },
    stream: { prefixes: 60, length: 9, each: 16, budget: 12, slots: 0 },
  };

  async function generate(kind: Kind, onChunk: () => void = () => undefined): Promise<Got> {
    const { prefixes, length, each, budget, slots } = calls[kind];
    const total = prefixes * each;
    const params: Params<"generate"> = {
      model,
      temperature: 1,
      topK: 0,
      topP: 1,
      stops: ["<backtrack>"],
      beams: "independent",
      slots,
    };
    const bins = {
      tokens: Int32Array.from({ length: prefixes * length }, (_, at) => 4 + ((at * 7 + (at >> 5)) % 20)),
      lengths: new Int32Array(prefixes).fill(length),
      counts: new Int32Array(prefixes).fill(each),
      seeds: Uint32Array.from({ length: 2 * total }, (_, at) => at * 2_654_435),
      budgets: new Int32Array(total).fill(budget),
    };
    let found = new Map<number, string>();
    let [restarts, chunks] = [0, 0];
    const { result } = await pool.free("generate", params, bins, {
      onRestart: () => {
        found = new Map();
        restarts++;
      },
      onChunk: ({ texts, bins: { completion, finish, lengths, tokens } }) => {
        chunks++;
        let at = 0;
        for (const [row, text] of texts.entries()) {
          const end = at + (lengths?.data[row] ?? 0);
          const index = completion?.data[row] ?? -1;
          expect(found.has(index)).toBe(false);
          found.set(index, JSON.stringify([text, finish?.data[row], [...(tokens?.data.slice(at, end) ?? [])]]));
          at = end;
        }
        onChunk();
      },
    });
    expect([...found.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, index) => index));
    return { completions: Array.from({ length: total }, (_, index) => found.get(index) ?? ""), result, restarts, chunks };
  }

  /** Kills the worker at the first event that fits; what was known of the call by then. */
  async function killedAt(kind: Kind, fits: (event: PoolEvent) => boolean) {
    let killed = 0;
    const before: PoolEvent[] = [];
    watch = (event) => {
      if (killed === 0) before.push(event);
      if (killed > 0 || !fits(event)) return;
      killed = pool.describe().workers[0]?.pid ?? 0;
      process.kill(killed, "SIGKILL");
    };
    const got = await generate(kind);
    expect(killed).toBeGreaterThan(0);
    expect(got.restarts).toBe(1);
    return { got, before };
  }
  const progress = (events: readonly PoolEvent[]) =>
    Math.max(0, ...events.map((event) => (event.kind === "job-progress" ? event.done : 0)));

  it("while it loads torch and the model", async () => {
    const { got, before } = await killedAt("decode", ({ kind }) => kind === "job-started");
    expect(before.some(({ kind }) => kind === "job-progress")).toBe(false);
    expected.set("decode", got);
  });

  it("in the prefill", async () => {
    // The first progress comes before anything is decoded; the prefill that follows takes a second.
    const { got, before } = await killedAt("prefill", ({ kind }) => kind === "job-progress");
    expect(progress(before)).toBe(0);
    expected.set("prefill", got);
  });

  it("in the middle of decoding", async () => {
    const { got, before } = await killedAt("decode", (event) => event.kind === "job-progress" && event.done > 0);
    expect(progress(before)).toBeGreaterThan(0);
    expect(got.chunks).toBe(1);
    expect(got.completions).toEqual(expected.get("decode")?.completions);
  });

  it("between two chunks", async () => {
    watch = () => undefined;
    let killed = 0;
    const got = await generate("stream", () => {
      if (killed > 0) return;
      killed = pool.describe().workers[0]?.pid ?? 0;
      process.kill(killed, "SIGKILL");
    });
    expect(killed).toBeGreaterThan(0);
    expect(got.restarts).toBe(1);
    expect(got.chunks).toBeGreaterThan(3);
    expected.set("stream", got);
  });

  it("has given the same as one that nobody disturbs", async () => {
    watch = () => undefined;
    for (const kind of ["prefill", "decode", "stream"] as const) {
      const calm = await generate(kind);
      expect(calm.restarts).toBe(0);
      expect(calm.result).toEqual(expected.get(kind)?.result);
      expect(calm.completions).toEqual(expected.get(kind)?.completions);
    }
    expect(pool.describe().workers.map(({ name }) => name)).toEqual(["worker-1.5"]);
  });
});
