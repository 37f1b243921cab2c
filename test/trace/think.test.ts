import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { think as thinkSolver } from "../../src/solver/think.ts";
import { think } from "../../src/trace/formats/think.ts";
import { itHoldsTheLaws } from "./countdownLaws.ts";

const three: CountdownProblem = { puzzle: "countdown", numbers: [2, 3, 4], target: 9 };

/**
 * By hand. Distances to the factors 3 and 9: 4*2=8 with 3 is 1, as are 4-2=2 and 4/2=2 with 3; 4+3=7 with 2 is 3. Of
 * 8 and 3, of 2 and 3, nothing makes 9.
 */
const text = `Exploring Operation: 4*2=8, Resulting Numbers: [3, 8]
[3, 8] No Solution
Moving to Node #0
Current State: 9:[2, 3, 4], Operations: []
Exploring Operation: 4-2=2, Resulting Numbers: [3, 2]
[3, 2] No Solution
Moving to Node #0
Current State: 9:[2, 3, 4], Operations: []
Exploring Operation: 4/2=2, Resulting Numbers: [3, 2]
[3, 2] No Solution
Moving to Node #0
Current State: 9:[2, 3, 4], Operations: []
Exploring Operation: 4+3=7, Resulting Numbers: [2, 7]
Generated Node #0,3: 9:[2, 7] Operation: 4+3=7
Moving to Node #0,3
Current State: 9:[2, 7], Operations: ['4+3=7']
Exploring Operation: 7+2=9, Resulting Numbers: [9]
9,9 equal: Goal Reached`;

describe("format think", () => {
  it("writes the search of solver think, worked out by hand, and reads it", () => {
    const trace = thinkSolver.solve(countdown, three, { kind: "think", heuristic: "mult" }, Rng.for("none drawn"));
    expect(think.render(three, [...trace]).text).toBe(text);
    const { events, errors } = think.parse(three, text);
    expect(errors).toEqual([]);
    expect(events.slice(0, 3)).toEqual([
      { kind: "generate", node: 1, parent: 0, action: { left: 4, op: "*", right: 2, result: 8 } },
      { kind: "deadEnd", node: 1 },
      { kind: "backtrack", from: 1, to: 0 },
    ]);
    expect(think.discipline).toEqual({ assertsDeadEnds: true });
  });

  it("finds a pair that is not the one of the line before", () => {
    const { errors } = think.parse(three, text.replace("[3, 8] No Solution", "[3, 7] No Solution"));
    expect(errors).toMatchObject([{ kind: "state", event: 0, message: "the line before says [3, 8], not [3, 7]" }]);
  });

  it("has no mark for the end of a search", () => {
    expect(think.parse(three, "No solution found.").errors).toHaveLength(1);
    expect(think.project(three, [{ kind: "deadEnd", node: 0 }])).toEqual([]);
  });
});

describe("laws", () => {
  itHoldsTheLaws(think, { ...three, numbers: [5, 3, 2] }, ["\n", "[5, 3] No Solution", "No solution found.", "2", "#"]);
});
