// Entry of a worker thread that makes chunks: one message in, one answer out, until the main thread ends it.
import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../lib/errors.ts";
import { chunkMaker } from "./chunk.ts";
import type { ChunkAnswer, ChunkRequest, ThreadStart } from "./threads.ts";

const { set, prepared, modules } = workerData as ThreadStart;
if (modules.length > 0) {
  const { loadModule } = await import("../config/moduleLoader.ts");
  for (const path of modules) await loadModule(path);
}
const maker = chunkMaker(set, prepared);

parentPort?.on("message", ({ from, to }: ChunkRequest) => {
  try {
    const chunk = maker.make(from, to);
    // Moved, not copied; `bytes` may be the front of a larger buffer, which goes along.
    const moved = [chunk.bytes.buffer, chunk.ends.buffer, chunk.kindOf.buffer, chunk.keys.buffer];
    parentPort?.postMessage({ from, chunk } satisfies ChunkAnswer, moved);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // Classes are lost on the way between threads.
    parentPort?.postMessage({ from, error: { code: error.code, message: error.message } } satisfies ChunkAnswer);
  }
});
