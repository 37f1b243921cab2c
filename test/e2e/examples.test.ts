// Examples that people paste: in any shell (the echo of some turns "\n" inside quotes into a line end, which no JSON can hold).
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root, run } from "./cli.ts";

/** What the part before the pipe of a shell line writes. */
const written = (line: string) => execFileSync("sh", ["-c", line.slice(0, line.lastIndexOf(" | "))], { encoding: "utf8" });

describe("grade's example", { timeout: 60_000 }, () => {
  it("in the README: the answer is the one printed there", async () => {
    const lines = readFileSync(join(root, "README.md"), "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes(" -- grade --compat sb,sos"));
    const command = lines[at]?.trim().replace(/^\$ /, "") ?? "";
    const { out } = await run(["grade", "--compat", "sb,sos"], { input: written(command) });
    expect(out.trim()).toBe(lines[at + 1]?.trim());
  });

  it("in the help: it is graded, and solved", async () => {
    const { out: help } = await run(["grade", "--help"]);
    const command = /\$ (.*) \| backtrail grade\n/.exec(help)?.[0].trim().replace(/^\$ /, "") ?? "";
    const { out, code } = await run(["grade"], { input: written(command) });
    expect(JSON.parse(out)).toMatchObject({ solved: true, errors: [] });
    expect(code).toBe(0);
  });
});
