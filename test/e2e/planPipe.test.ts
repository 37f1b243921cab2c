// A long answer reaches a slow reader whole: a command does not exit while its output is on its way.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { root } from "./cli.ts";

it("plan --json through a pipe that is read late", { timeout: 60_000 }, async () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const config = join(root, "configs", "paper", "self-backtracking-1b.yaml");
  const args = ["--import", tsx, join(root, "src", "main.ts"), "plan", config, "--mock", "--json"];
  // The pipe holds some 64 KiB until somebody reads on; by then the command has long written all.
  const late = `"$0" "$@" | (dd bs=1 count=1 2>/dev/null; sleep 1; cat)`;
  const child = spawn("sh", ["-c", late, process.execPath, ...args], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const data of child.stdout.setEncoding("utf8")) text += data;
  expect(text.length).toBeGreaterThan(100_000);
  expect(JSON.parse(text)).toMatchObject({ name: "self-backtracking-1b" });
});
