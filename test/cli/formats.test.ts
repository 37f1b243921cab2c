// The README shows what the commands print: tables and the example of a module are compared with the real ones.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { formatRows, markdown } from "../../src/cli/formats.ts";
import { allPuzzles } from "../../src/puzzle/registry.ts";
import { allFormats } from "../../src/trace/registry.ts";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const between = (name: string) => read("README.md").split(`<!-- ${name}:begin -->\n`)[1]?.split(`<!-- ${name}:end -->`)[0];

it("has a row for every format of every puzzle", () => {
  const rows = formatRows();
  expect(rows.map(({ puzzle, format }) => `${puzzle} ${format}`).sort()).toEqual(
    allFormats()
      .map(({ puzzle, name }) => `${puzzle} ${name}`)
      .sort(),
  );
  expect(new Set(rows.map(({ puzzle }) => puzzle)).size).toBe(allPuzzles().length);
  // The two that the issue of this format gives to the letter.
  expect(rows.find(({ format }) => format === "bfs-article")?.response).toBe("<0,(1, 2),1,(2, 3),2,(4) - 4,2,0> 0,2,4");
  expect(rows.find(({ format }) => format === "self-backtracking")?.response).toBe("9*4=36\n36+2=38\nGoal Reached!");
});

it("the README's table is the command's output", () => {
  expect(between("formats")).toBe(markdown(formatRows()));
});

it("the README's module is configs/modules/pancakes.ts, in sixty lines", () => {
  const source = read("configs/modules/pancakes.ts");
  expect(between("pancakes")).toBe(`\`\`\`ts\n${source}\`\`\`\n`);
  expect(source.split("\n").length).toBeLessThanOrEqual(62);
});
