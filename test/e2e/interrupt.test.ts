// Ctrl-C in a command that has nothing to save ends it, and does not speak of saving.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { root } from "./cli.ts";

it("grade, at the first Ctrl-C, with its input still open", { timeout: 60_000 }, async () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const child = spawn(process.execPath, ["--import", tsx, join(root, "src", "main.ts"), "grade"]);
  let err = "";
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const ended = once(child, "close");
  child.stdin.write(`${JSON.stringify({ problem: { puzzle: "countdown", numbers: [4, 9], target: 36 }, text: "4*9=36" })}\n`);
  const [verdict] = await once(child.stdout, "data");
  expect(JSON.parse(String(verdict))).toMatchObject({ solved: false });
  child.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
  expect(err).toBe("");
});
