// A right trace, broken in every known way: the grader names that way, at its place.
import { describe, expect, it } from "vitest";
import { grade } from "../../src/trace/grader.ts";
import { brokenTraces } from "./mutationCases.ts";

describe.each(brokenTraces.map((broken) => [`${broken.puzzle.name} ${broken.format.name}`, broken] as const))(
  "%s",
  (_name, { puzzle, format, record, right, ways }) => {
    const problem = puzzle.readProblem(record);
    const verdict = (text: string) => grade(format, puzzle, problem, text);

    it("the right trace is right", () => {
      expect(verdict(right)).toMatchObject({ solved: true, reached: true, errors: [] });
      expect(verdict(format.prompt(problem) + right)).toMatchObject({ solved: true, errors: [] });
    });

    it.each(ways)("%s", (_way, part, by, expected) => {
      expect(right.split(part)).toHaveLength(2);
      const text = right.replace(part, () => by);
      const { solved, errors, stats } = verdict(text);
      expect(errors.map(({ kind, step }) => `${kind}@${step}`)).toEqual(expected);
      expect(solved).toBe(false);
      expect(`${stats.firstError?.kind}@${stats.firstError?.step}`).toBe(expected[0]);
      for (const { span } of errors) expect(0 <= span[0] && span[0] <= span[1] && span[1] <= text.length).toBe(true);
    });
  },
);
