// Which GPUs each worker gets: the rule, and the environment of real processes. No GPU is needed: CUDA_VISIBLE_DEVICES is
// looked at, not used.
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/lib/errors.ts";
import { assignGpus } from "../../src/worker/devices.ts";
import { localLauncher } from "../../src/worker/launcher.ts";
import { torchrunLauncher } from "../../src/worker/torchrun.ts";
import { temporaryDirectory, until } from "./helpers.ts";

const ask = { workers: 1, gpus: undefined, ranks: 1, visible: undefined, found: 4 };

describe("assignGpus", () => {
  it.each([
    ["one each, counted from 0", { workers: 3 }, [["0"], ["1"], ["2"]]],
    [
      "several each",
      { workers: 2, gpus: 2, ranks: 2 },
      [
        ["0", "1"],
        ["2", "3"],
      ],
    ],
    ["as many as ranks when gpus is not set", { workers: 1, ranks: 3 }, [["0", "1", "2"]]],
    ["shared when gpus is not set and there are fewer", { workers: 3, found: 2 }, [["0"], ["1"], ["0"]]],
    ["none when gpus is 0", { workers: 2, gpus: 0 }, [[], []]],
    ["nothing to assign without a GPU", { workers: 2, found: 0 }, undefined],
    ["nothing to assign without a GPU, ranks on the CPU", { workers: 2, ranks: 2, found: 0 }, undefined],
    ["the user's own list, in its order", { workers: 2, visible: "3, 1", found: 2 }, [["3"], ["1"]]],
    ["UUIDs and MIG names", { workers: 2, visible: "GPU-8f0a,MIG-77", found: 2 }, [["GPU-8f0a"], ["MIG-77"]]],
    [
      "MIG instances, of which PyTorch sees one at a time",
      { workers: 2, gpus: 1, visible: "MIG-a,MIG-b", found: 1 },
      [["MIG-a"], ["MIG-b"]],
    ],
    ["only as much of the list as CUDA reads", { workers: 2, gpus: undefined, visible: "2,-1,0", found: 1 }, [["2"], ["2"]]],
  ])("%s", (_, question, expected) => expect(assignGpus({ ...ask, ...question })).toEqual(expected));

  it.each([
    [
      { workers: 3, gpus: 2, ranks: 2 },
      "workers.count is 3 and workers.gpus 2: together 6, but this machine offers 4 GPUs. Set workers.count to 2 or workers.gpus to 1.",
    ],
    [
      { workers: 8, gpus: 1 },
      "workers.count is 8 and workers.gpus 1: together 8, but this machine offers 4 GPUs. Set workers.count to 4.",
    ],
    [
      { workers: 1, ranks: 8 },
      "workers.count is 1 and workers.ranks 8: together 8, but this machine offers 4 GPUs. Set workers.ranks to 4.",
    ],
    [
      { workers: 1, gpus: 1, found: 0 },
      "workers.count is 1 and workers.gpus 1: together 1, but this machine offers 0 GPUs. Set workers.gpus to 0 to compute on the CPU.",
    ],
  ])("refuses %o", (question, message) => {
    const refused = () => assignGpus({ ...ask, ...question });
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(message);
  });
});

/** Launches stand-ins that write what CUDA_VISIBLE_DEVICES they see, "unset" if none; one for each slot. */
async function visibleTo(options: { gpus?: string[][]; ranks?: number; slots: number; own?: string }): Promise<string[]> {
  const folder = temporaryDirectory();
  const program = join(folder, "program");
  const write = `echo "\${CUDA_VISIBLE_DEVICES-unset}" > "${folder}/$worker.$rank.part"; mv "${folder}/$worker.$rank.part" "${folder}/$worker.$rank"`;
  const read =
    'read -r line\nworker=$(echo "$line" | sed \'s/.*"worker":"\\([^"]*\\)".*/\\1/\')\nrank=$(echo "$line" | sed -n \'s/.*"rank":\\([0-9]*\\).*/\\1/p\')';
  writeFileSync(program, `#!/bin/sh\n${read}\n${write}\nexec sleep 60\n`);
  chmodSync(program, 0o700);
  const { CUDA_VISIBLE_DEVICES: _, ...others } = process.env;
  const environment = options.own === undefined ? others : { ...others, CUDA_VISIBLE_DEVICES: options.own };
  const { ranks = 1, gpus } = options;
  const launcher = torchrunLauncher(localLauncher({ flavour: "torch", python: program, environment, gpus }), { ranks });
  const start = { endpoint: "ipc:///nowhere", token: "t", coordinatorPid: 0, threads: 1, device: "auto", mock: {} };
  const workers = Array.from({ length: options.slots }, (_, slot) =>
    launcher.launch({ ...start, worker: `w${slot}` }, join(folder, `w${slot}.log`), slot),
  );
  const files = workers.flatMap((_, slot) =>
    Array.from({ length: ranks }, (_, rank) => join(folder, `w${slot}.${ranks === 1 ? "" : rank}`)),
  );
  await until(() => files.every((file) => existsSync(file)));
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all(workers.map(({ exited }) => exited));
  await launcher.close();
  return files.map((file) => readFileSync(file, "utf8").trim());
}

describe("worker processes see", { timeout: 20_000 }, () => {
  it("the GPUs of their slot and no others", async () => {
    expect(await visibleTo({ slots: 3, gpus: [["0"], ["GPU-8f0a", "2"], []], own: "0,1,2" })).toEqual(["0", "GPU-8f0a,2", ""]);
  });

  it("all GPUs of their group as ranks: each takes the one of its number", async () => {
    expect(
      await visibleTo({
        slots: 2,
        ranks: 2,
        gpus: [
          ["0", "1"],
          ["2", "3"],
        ],
      }),
    ).toEqual(["0,1", "0,1", "2,3", "2,3"]);
  });

  it("what the user has set, where nothing is assigned", async () => {
    expect(await visibleTo({ slots: 1, own: "5" })).toEqual(["5"]);
    expect(await visibleTo({ slots: 1 })).toEqual(["unset"]);
  });
});
