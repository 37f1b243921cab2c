// Traces of Stream of Search against the line grammar that the published parser reads (stream-of-search, countdown_utils.py), restated
// here as seven kinds of lines and what must hold between them. Shares no code with the format.
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { countdown } from "../../src/puzzle/countdown.ts";
import { beam } from "../../src/solver/beam.ts";
import { dfs } from "../../src/solver/dfs.ts";
import { beamSettings, dfsSettings } from "../../src/solver/settings.ts";
import { sos } from "../../src/trace/formats/sos.ts";

const pool = String.raw`\[(\d+(?:, \d+)*)\]`;
const operation = String.raw`(\d+)([-+*/])(\d+)=(\d+)`;
const kinds = {
  exploring: new RegExp(`^Exploring Operation: ${operation}, Resulting Numbers: ${pool}$`),
  generated: new RegExp(`^Generated Node #(\\d+(?:,\\d+)*): (\\d+):${pool} Operation: ${operation}$`),
  moving: /^Moving to Node #(\d+(?:,\d+)*)$/,
  state: new RegExp(`^Current State: (\\d+):${pool}, Operations: \\[((?:'[^']+'(?:, '[^']+')*)?)\\]$`),
  unequal: /^(\d+),(\d+) unequal: No Solution$/,
  equal: /^(\d+),(\d+) equal: Goal Reached$/,
  none: /^No solution found\.$/,
};

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const numbersOf = (text = "") => text.split(", ").map(Number);

/** Whether a trace ends well, read line by line as the published parser does; throws at the first line that it would not understand. */
function read(text: string, numbers: readonly number[], target: number): boolean {
  const pools = new Map([["0", numbers]]);
  let at = "0";
  let explored: { readonly equation: string; readonly left: readonly number[] } | undefined;
  let solved = false;
  for (const line of text.split("\n")) {
    const found = Object.entries(kinds).flatMap(([kind, pattern]) => {
      const match = pattern.exec(line);
      return match === null ? [] : [{ kind, parts: match.slice(1) }];
    });
    expect(found, line).toHaveLength(1);
    const [{ kind, parts } = { kind: "", parts: [] }] = found;
    if (kind === "exploring") {
      const [a = "", sign = "", b = "", result = "", left] = parts;
      const value = { "+": +a + +b, "-": +a - +b, "*": +a * +b, "/": +a / +b }[sign];
      expect(value, line).toBe(+result);
      const rest = [...(pools.get(at) ?? [])];
      for (const used of [+a, +b]) {
        const place = rest.indexOf(used);
        expect(place, `${line}: ${used} is in [${rest}]`).toBeGreaterThanOrEqual(0);
        rest.splice(place, 1);
      }
      expect(sorted(numbersOf(left)), line).toEqual(sorted([...rest, +result]));
      explored = { equation: `${a}${sign}${b}=${result}`, left: numbersOf(left) };
    } else if (kind === "generated") {
      const [id = "", of, left, ...equation] = parts;
      const [a, sign, b, result] = equation;
      expect(+(of ?? "")).toBe(target);
      expect(pools.has(id.slice(0, id.lastIndexOf(","))), `${line}: its parent was generated`).toBe(true);
      expect({ equation: `${a}${sign}${b}=${result}`, left: numbersOf(left) }, line).toEqual(explored);
      pools.set(id, numbersOf(left));
    } else if (kind === "moving") {
      at = parts[0] ?? "";
      expect(pools.has(at), `${line}: it was generated`).toBe(true);
    } else if (kind === "state") {
      const [of, left, operations = ""] = parts;
      expect(+(of ?? "")).toBe(target);
      expect(sorted(numbersOf(left)), line).toEqual(sorted(pools.get(at) ?? []));
      expect(operations === "" ? 0 : operations.split(", ").length, line).toBe(numbers.length - numbersOf(left).length);
    } else if (kind !== "none") {
      const [value, of] = parts.map(Number);
      expect([value, of], line).toEqual([explored?.left[0], target]);
      expect(explored?.left, line).toHaveLength(1);
      expect(value === target, line).toBe(kind === "equal");
      solved ||= kind === "equal";
    }
  }
  return solved;
}

const searches = [
  ...(["sum", "mult"] as const).map((heuristic) => ["dfs", heuristic, undefined] as const),
  ...(["sum", "mult"] as const).flatMap((heuristic) => [1, 3, 5].map((width) => ["beam", heuristic, width] as const)),
];

describe("every line is one that the published parser reads, and says what the lines before it lead to", () => {
  it.each(searches)("%s, %s, width %s", (kind, heuristic, width) => {
    const rng = Rng.for("sos lines", kind, heuristic, width ?? 0);
    let solved = 0;
    for (let count = 0; count < 12; count++) {
      const problem = countdown.generate(rng, countdown.readOptions({ kind: "countdown", numbers: 3 + (count % 2) }));
      const random = Rng.for("search", count);
      const trace =
        kind === "dfs"
          ? [...dfs.solve(countdown, problem, dfsSettings.parse({ kind, heuristic, maxNodes: 400 }), random)]
          : [...beam.solve(countdown, problem, beamSettings.parse({ kind, heuristic, width }), random)];
      const { text } = sos.render(problem, trace);
      // Nothing is told of a search whose first steps are all pruned.
      if (text !== "" && read(text.trimEnd(), problem.numbers, problem.target)) solved++;
    }
    expect(solved).toBeGreaterThan(0);
  });
});
