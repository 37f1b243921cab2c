// Damaged traces of every format: a verdict always, and one that holds together. bench/grade.ts --fuzz does it by the million.
import { expect, it } from "vitest";
import { damagedCase } from "../../bench/gradeCases.ts";
import { Rng } from "../../src/lib/rng.ts";
import type { CountdownProblem } from "../../src/puzzle/countdown.ts";
import { compatScorers } from "../../src/trace/compat/compatScorers.ts";
import { grade } from "../../src/trace/grader.ts";
import { brokenTraces } from "./mutationCases.ts";

const cases = brokenTraces.map(({ puzzle, format, record, right }) => ({
  puzzle,
  format,
  problem: puzzle.readProblem(record),
  text: right,
}));

it("every damaged trace gets a verdict that holds together", () => {
  const rng = Rng.for("fuzz");
  let broken = 0;
  for (let round = 0; round < 4000; round++) {
    const { puzzle, format, problem, text } = damagedCase(rng, cases);
    const { solved, errors, stats } = grade(format, puzzle, problem, text, { deadEnds: true, tokens: true });
    if (!solved) {
      broken++;
      expect(errors.length).toBeGreaterThan(0);
    } else expect(errors).toEqual([]);
    for (const [index, { span, step }] of errors.entries()) {
      expect(0 <= span[0] && span[0] <= span[1] && span[1] <= text.length).toBe(true);
      expect(span[0]).toBeGreaterThanOrEqual(errors[index - 1]?.span[0] ?? 0);
      expect(0 <= step && step <= stats.steps).toBe(true);
    }
    expect(stats.nodes).toBeLessThanOrEqual(stats.steps + 1 + errors.filter(({ kind }) => kind === "jump").length);
    expect((stats.tokensToGoal ?? 0) <= (stats.charactersToGoal ?? 0)).toBe(true);
    if (puzzle.name !== "countdown") continue;
    for (const scorer of Object.values(compatScorers)) {
      const { accepted, reason } = scorer.score(problem as CountdownProblem, text);
      expect(accepted).toBe(reason === "accepted");
    }
  }
  expect(broken).toBeGreaterThan(3000);
});
