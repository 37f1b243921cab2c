// A long answer reaches a slow reader whole: a command does not exit while its output is on its way.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { root } from "./cli.ts";

it("plan --json through a pipe that is read late", { timeout: 60_000 }, async () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const config = join(root, "configs", "paper", "self-backtracking-1b.yaml");
  const args = ["--import", tsx, join(root, "src", "main.ts"), "plan", config, "--mock", "--json"];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  // The pipe holds some 64 KiB until somebody reads; by then the command has long written all.
  await Promise.race([new Promise((resolve) => child.stdout.once("readable", resolve)), sleep(30_000)]);
  await sleep(500);
  let text = "";
  for await (const data of child.stdout.setEncoding("utf8")) text += data;
  expect(text.length).toBeGreaterThan(200_000);
  expect(JSON.parse(text)).toMatchObject({ name: "self-backtracking-1b" });
});
