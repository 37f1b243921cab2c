// The port of bench/dataPeers/graph_port.py makes the kernel's bytes: what bench/dataGraph.ts calls the same job is the same.
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { traceData } from "../../src/config/dataSettings.ts";
import { graphKernel } from "../../src/data/kernel/graphKernel.ts";
import type { TrainSet } from "../../src/data/settings.ts";

const port = fileURLToPath(new URL("../../bench/dataPeers/graph_port.py", import.meta.url));
// The oldest Python that the project takes: see src/setup/environment.ts.
const isThere = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).status === 0;
const obstacle = isThere ? undefined : "no python3 of 3.11 or later in PATH";

it.skipIf(obstacle !== undefined)(
  `the Python port of the benchmark writes the kernel's lines${obstacle === undefined ? "" : ` (${obstacle})`}`,
  () => {
    // The set of bench/dataGraph.ts, by its own words: the port holds its options as constants.
    const set: TrainSet = { puzzle: { kind: "graph" }, train: traceData.parse({ format: "bfs" }), seed: 1 };
    const kernel = graphKernel(set);
    // As latin1, one character is one byte. A line holds until the next one is written.
    const lines = Array.from({ length: 200 }, (_, index) => Buffer.from(kernel?.write(index) ?? []).toString("latin1"));
    expect(execFileSync("python3", [port, "--lines", "200"]).toString("latin1")).toBe(lines.join(""));
  },
);
