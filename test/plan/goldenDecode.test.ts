// What decode writes, line by line. The file was worked out by hand from the scripts (goldenDecode.ts) and section 4 of the
// plan; its seeds are the first 8 bytes of SHA-256 over "n7:...", recomputed outside this program. When it differs and the
// change is meant, raise `decode` in src/plan/codeVersions.ts and move the file to the new number.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { codeVersions } from "../../src/plan/codeVersions.ts";
import { goldenDecode } from "./goldenDecode.ts";

it("decode asks for the same completions and writes the same lines under the same code version", async () => {
  const golden = new URL(`golden/decode@${codeVersions.decode}.jsonl`, import.meta.url);
  expect(await goldenDecode()).toBe(readFileSync(golden, "utf8"));
});
