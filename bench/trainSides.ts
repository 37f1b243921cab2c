// The two processes of bench/train.ts and their JSON lines.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ModelInfo } from "../src/protocol/primitives.ts";

/** What `open` tells of our side. */
export interface Opened {
  readonly info: ModelInfo;
  readonly lengths: readonly number[];
  readonly trained: readonly number[];
  /** FLOP/s of a matrix product in the session's dtype. */
  readonly matrixRate: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** A round of steps. */
export interface Stepped {
  readonly seconds: number;
  /** Of the side's process, all threads: on a shared machine the steadier measure where the CPU is the device. */
  readonly cpuSeconds: number;
  readonly losses: readonly number[];
  readonly peakBytes: number;
}

export interface Side {
  ask<Answer>(command: object): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts train_direct.py or train_reference.py, both with the same kernel settings. */
export function startSide(script: string, options: { python: string; device: string; threads: number }): Side {
  const { python, device, threads } = options;
  const path = fileURLToPath(new URL(script, import.meta.url));
  const one = threads > 0 ? { OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads) } : {};
  const child = spawn(python, [path, device, String(threads)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      ...one,
      PYTHONPATH: fileURLToPath(new URL("../py", import.meta.url)),
      HF_HUB_OFFLINE: "1",
      OMP_WAIT_POLICY: "PASSIVE",
    },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${script} ended; its last words are above`);
      return JSON.parse(value);
    },
    close: () => {
      child.stdin.end();
      return ended;
    },
  };
}
