// Sweeps for the tests of `plan` and `why`: a config in a folder of its own, and a store filled as a run would have, in no time.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { Io } from "../../src/cli/io.ts";
import { type LoadedSweep, loadSweep } from "../../src/cli/sweep.ts";
import { type Artefact, Store } from "../../src/store/store.ts";

export const config = `name: tiny
seed: 1
puzzle: {kind: countdown, numbers: 3, operands: [1, 20]}
data: {train: {size: 100}, test: {seen: 6, unseen: 6}}
model: {architecture: llama, width: 64, layers: 1, heads: 2, mlp: 96}
train: {steps: 20, batch: {examples: 8}, maxTokens: 64}
decode:
  greedy: {policy: greedy}
  b1: {policy: self-backtrack, samples: 4}
sweep: {arms: {direct: {data.train.backtrackShare: 0}}}
store: store
`;

export interface Place {
  readonly folder: string;
  readonly io: Io;
  /** What was written to stdout since the last call. */
  readonly told: () => string;
}

/** A new folder with the config in it as tiny.yaml; it is removed when the test is over. */
export function place(text = config): Place {
  const folder = mkdtempSync(join(tmpdir(), "backtrail-plan-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "tiny.yaml"), text);
  let out = "";
  const io: Io = {
    out: (words) => {
      out += words;
    },
    err: () => undefined,
    stdin: Readable.from([]),
    env: {},
    cwd: folder,
    root: fileURLToPath(new URL("../..", import.meta.url)),
    version: "0.0.0-test",
    outIsTerminal: false,
    errIsTerminal: false,
    drained: () => Promise.resolve(),
    width: 100,
    colour: false,
    signal: new AbortController().signal,
  };
  const told = () => {
    const words = out;
    out = "";
    return words;
  };
  return { folder, io, told };
}

export const flagsOf = (...set: string[]) => ({ set, mock: true, json: false, stages: false, results: "results" });

/** Publishes every stage of the sweep, each with one small file. `seconds`: how long each is said to have taken. */
export async function publishAll({ io }: Place, set: readonly string[] = [], seconds = 10): Promise<LoadedSweep> {
  const sweep = await loadSweep(io, "tiny.yaml", flagsOf(...set));
  const store = await Store.open(sweep.storeRoot);
  const artefacts = new Map<string, Artefact>();
  const machine = { host: "tester", cpu: cpus()[0]?.model ?? "unknown", device: "cpu" };
  for (const { kind, key, settings, inputs: keys } of sweep.plan.stages) {
    const inputs = Object.fromEntries(
      Object.entries(keys).map(([role, input]) => {
        const artefact = artefacts.get(input);
        if (artefact === undefined) throw new Error(`${role} of ${kind} was not published`);
        return [role, artefact];
      }),
    );
    const origin = { settings, inputs, code: { commit: "abc123" }, machine, begun: performance.now() - 1000 * seconds };
    const artefact = await store.publish(kind, key, origin, async (directory) => {
      writeFileSync(join(directory, "made.txt"), key);
      return {};
    });
    artefacts.set(key, artefact);
  }
  return sweep;
}
