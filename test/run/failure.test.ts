// The file that tells all that is known of a failed stage.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import type { Stage } from "../../src/plan/plan.ts";
import { recordFailure } from "../../src/run/failure.ts";
import { SessionLost } from "../../src/worker/port.ts";

it("of a training whose worker died: the worker's last words, and where the rest of them is", async () => {
  const logs = mkdtempSync(join(tmpdir(), "bt-"));
  try {
    const stage: Stage = { id: "train/a", kind: "train", key: "0123456789abcdef", inputs: {}, arms: ["a"], settings: {} };
    const lost = new SessionLost("worker-2", "rank 1 of 2 ended with exit code 2", "CUDA error: no kernel image\n");
    const error = new UserError("training-lost", "training: the worker was lost 4 times", { cause: lost });
    const { log } = await recordFailure(stage, error, { logs, shownLogs: logs, retry: "again", earlier: new Map() });
    const text = readFileSync(log, "utf8");
    expect(text).toContain(`output of the worker: ${join(logs, "worker-2.log")}`);
    expect(text).toContain("in the worker:\nCUDA error: no kernel image");
  } finally {
    rmSync(logs, { recursive: true });
  }
});
