// The mock worker's process: one JSON line on stdin starts it; the end of stdin (the coordinator is gone) ends it.
import { createInterface } from "node:readline";
import { workerStart } from "../../protocol/messages.ts";
import { runMockWorker } from "./worker.ts";

const lines = createInterface({ input: process.stdin });
// A terminal's Ctrl-C is the coordinator's business.
process.on("SIGINT", () => undefined);
process.stdin.once("end", () => process.kill(process.pid, "SIGKILL"));
lines.once("line", (line) => {
  runMockWorker(workerStart.parse(JSON.parse(line))).then(
    () => {
      lines.close();
      process.stdin.destroy();
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.kill(process.pid, "SIGKILL");
    },
  );
});
