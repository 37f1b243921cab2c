// npm run chaos -- --fuzz 1000000 [--side coordinator|worker|mock] [--seed 1] [--only 4711]: wrong messages to the pool and to
// workers. Every message is a function of its side, the seed and its number, so one that did harm can be sent again alone.
import { findPython } from "../../src/setup/environment.ts";
import { root } from "./coordinator.ts";
import { fuzzCoordinator } from "./fuzzCoordinator.ts";
import { fuzzMessage } from "./fuzzMessages.ts";
import type { FuzzPlan, FuzzReport } from "./fuzzReport.ts";
import { fuzzWorker } from "./fuzzWorker.ts";
import { whyNoTorch } from "./undisturbed.ts";

/** Who is fuzzed: the pool, a worker of PyTorch, a mock worker. */
export const fuzzSides = ["coordinator", "worker", "mock"] as const;
export type FuzzSide = (typeof fuzzSides)[number];

export interface FuzzOptions {
  /** All, where absent; the worker of PyTorch only where there is one. */
  readonly side?: FuzzSide | undefined;
  readonly seed: number;
  /** To each side. */
  readonly messages: number;
  /** Number of the one message that is sent. */
  readonly only?: number | undefined;
  readonly say: (text: string) => void;
}

/** Fuzzes the sides one after another. Throws when a worker dies or falls silent; other faults stand in the reports. */
export async function runFuzz({ side, seed, messages, only, say }: FuzzOptions): Promise<FuzzReport[]> {
  const noTorch = side === undefined ? await whyNoTorch() : undefined;
  if (noTorch !== undefined) say(`no fuzz of a torch worker: ${noTorch}`);
  const plan: FuzzPlan = only === undefined ? { seed, first: 0, messages } : { seed, first: only, messages: 1 };
  const reports: FuzzReport[] = [];
  for (const one of fuzzSides) {
    if (side === undefined ? one === "worker" && noTorch !== undefined : one !== side) continue;
    if (only !== undefined) say(describe(one, plan));
    let said = 0;
    const onProgress = (sent: number) => {
      if (sent < said + messages / 10) return;
      said = sent;
      say(`${one}: ${sent} of ${messages} messages`);
    };
    reports.push(await fuzzOne(one, plan, onProgress));
  }
  return reports;
}

function fuzzOne(side: FuzzSide, plan: FuzzPlan, onProgress: (sent: number) => void): Promise<FuzzReport> {
  if (side === "coordinator") return fuzzCoordinator(plan, onProgress);
  if (side === "mock") return fuzzWorker(plan, { flavour: "mock" }, onProgress);
  const python = findPython(process.env, root)?.python;
  return fuzzWorker(plan, { flavour: "torch", ...(python === undefined ? {} : { python }) }, onProgress);
}

function describe(side: FuzzSide, { seed, first }: FuzzPlan): string {
  const { how, frames } = fuzzMessage(side === "coordinator" ? "coordinator" : "worker", seed, first);
  const shown = frames.map((frame) => (frame.length > 400 ? `${frame.length} bytes` : `[${frame.toString("hex")}]`));
  return `message ${first} to the ${side} (${how}): ${shown.join(" ")}`;
}

/** A report as lines for people. */
export function fuzzLines({ side, seed, seconds, sent, counted, calls, memory, faults }: FuzzReport): string[] {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const counts = Object.entries(sent).map(([name, count]) => `${count} ${name} (${counted[name] ?? 0} counted)`);
  return [
    `${side}, seed ${seed}: ${faults.length === 0 ? "ok" : "FAILED"} in ${seconds.toFixed(1)} s; ${calls} right calls meanwhile`,
    `  sent: ${counts.join(", ")}`,
    `  memory: ${mebibytes(memory.firstBytes)} after the warm-up, ${mebibytes(memory.lastBytes)} in the end; ` +
      `slope ${memory.bytesPerMessage.toFixed(1)} bytes per message`,
    ...faults.map((fault) => `  ${fault}`),
  ];
}
