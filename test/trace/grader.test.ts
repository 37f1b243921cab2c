import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CountdownProblem, countdown, equation } from "../../src/puzzle/countdown.ts";
import { canonicalSolution } from "../../src/solver/exhaustive.ts";
import { sb } from "../../src/trace/compat/sb.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { type GradeOptions, grade } from "../../src/trace/grader.ts";

function verdict(numbers: number[], target: number, text: string, options?: GradeOptions) {
  const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
  return grade(selfBacktracking, countdown, problem, text, options);
}
/** Each error as kind@step "the text it points at". */
function errors(numbers: number[], target: number, text: string, options?: GradeOptions): string[] {
  return verdict(numbers, target, text, options).errors.map(
    ({ kind, step, span }) => `${kind}@${step} ${JSON.stringify(text.slice(...span))}`,
  );
}

describe("right answers", () => {
  it.each([
    [[4, 4, 2], 10, "4+4=8\n8+2=10\nGoal Reached!", true],
    [[4, 4, 2], 8, "4+4=8\nGoal Reached!", false],
    [[45, 39, 2, 10], 62, "45-39=6\n10*6=60\n2+60=62\nGoal Reached!", true],
    [[6, 3], 2, "6/3=2\nGoal Reached!", true],
  ])("%j to %i by %j", (numbers, target, text, allUsed) => {
    const { solved, reached, errors, allUsed: used } = verdict(numbers, target, text);
    expect({ solved, reached, errors, used }).toEqual({ solved: true, reached: true, errors: [], used: allUsed });
  });

  it("use some numbers or, by the setting, all", () => {
    const text = "4+4=8\nGoal Reached!";
    expect(errors([4, 4, 2], 8, text, { useAllNumbers: true })).toEqual(['numbers-left@1 "Goal Reached!"']);
    expect(verdict([4, 4, 2], 8, text, { useAllNumbers: true })).toMatchObject({
      solved: false,
      reached: false,
      allUsed: false,
    });
    expect(verdict([4, 4, 2], 10, "4+4=8\n8+2=10\nGoal Reached!", { useAllNumbers: true }).solved).toBe(true);
  });

  it("may stand behind their prompt; spans are those of the whole text", () => {
    const prompt = "###Question: numbers [7, 2]->target 3\n###Response:\n";
    const text = `${prompt}7/2=3\nGoal Reached!`;
    expect(errors([7, 2], 3, text)).toEqual(['arithmetic@0 "7/2=3"']);
    expect(verdict([7, 2], 9, `${"###Question: numbers [7, 2]->target 9\n###Response:\n"}7+2=9\nGoal Reached!`).solved).toBe(
      true,
    );
  });
});

describe("a target among the given numbers", () => {
  it.each([
    ["Goal Reached!", ['false-goal@0 "Goal Reached!"']],
    ["6+5=11\nGoal Reached!", ['false-goal@1 "Goal Reached!"']],
    ["6-5=1\n62*1=62\nGoal Reached!", []],
    ["62+5=67\n67-5=62\nGoal Reached!", ['operand@1 "67-5=62"']],
    ["62+5=67\n67-6=61\nGoal Reached!", ['false-goal@2 "Goal Reached!"']],
  ])("is no success unless the last step makes it: %j", (text, expected) => {
    const numbers = [62, 6, 5];
    const { solved, reached, stats } = verdict(numbers, 62, text);
    expect(errors(numbers, 62, text)).toEqual(expected);
    expect([solved, reached, "charactersToGoal" in stats]).toEqual(Array.from({ length: 3 }, () => expected.length === 0));
    expect(sb.score({ puzzle: "countdown", numbers, target: 62 }, text).accepted).toBe(solved);
  });

  it("a miscalculation that happens upon the target is no true success", () => {
    const { solved, reached, stats } = verdict([10, 6], 62, "10*6=62\nGoal Reached!", { tokens: true });
    expect([solved, reached, stats.mistakesBeforeSuccess]).toEqual([false, false, 1]);
    for (const absent of ["charactersToGoal", "tokensToGoal", "optimal"]) expect(stats).not.toHaveProperty(absent);
  });
});

describe("what published checkers let pass or refuse wrongly", () => {
  it.each([
    [[4, 9], 16, "4*4=16\nGoal Reached!", ['operand@0 "4*4=16"']],
    [[7, 2], 3, "7/2=3\nGoal Reached!", ['arithmetic@0 "7/2=3"']],
    [[4, 2], 8, "4+4=8\nGoal Reached!", ['operand@0 "4+4=8"']],
  ])("%j to %i by %j is refused", (numbers, target, text, expected) => {
    expect(errors(numbers, target, text)).toEqual(expected);
    expect(verdict(numbers, target, text)).toMatchObject({ solved: false, reached: false });
  });
});

describe("one kind of error", () => {
  const right = "45-39=6\n10*6=60\n2+60=62\nGoal Reached!";
  it.each([
    ["wrong result", "45-39=7\n10*7=70\n70-2=68\nGoal Reached!", ['arithmetic@0 "45-39=7"', 'false-goal@3 "Goal Reached!"']],
    [
      "wrong result at the end",
      right.replace("2+60=62", "2+60=63"),
      ['arithmetic@2 "2+60=63"', 'false-goal@3 "Goal Reached!"'],
    ],
    ["result bent to the target", "45-39=62\nGoal Reached!", ['arithmetic@0 "45-39=62"']],
    [
      "consumed operand",
      right.replace("10*6=60", "39+6=45").replace("2+60=62", "45+2=47"),
      ['operand@1 "39+6=45"', 'false-goal@3 "Goal Reached!"'],
    ],
    ["strange operand", right.replace("2+60=62", "2+61=63"), ['operand@2 "2+61=63"', 'false-goal@3 "Goal Reached!"']],
    ["negative result", "2-10=-8\n45-39=6\nGoal Reached!", ['rule@0 "2-10=-8"', 'false-goal@2 "Goal Reached!"']],
    ["division by zero", "39/0=39\n", ['operand@0 "39/0=39"', 'goal-missed@1 ""']],
    ["goal too early", "45-39=6\n10*6=60\nGoal Reached!", ['false-goal@2 "Goal Reached!"']],
    ["goal at once", "Goal Reached!", ['false-goal@0 "Goal Reached!"']],
    ["no end", right.replace("Goal Reached!", ""), ['goal-missed@3 ""']],
    ["giving up", right.replace("Goal Reached!", "<backtrack>"), ['goal-missed@3 "<backtrack>"']],
    ["a newline too many", `${right}\n`, ['format@3 "\\n"']],
    ["blanks", right.replace("10*6", "10 * 6"), ['format@1 "10 * 6=60\\n"']],
    ["nothing", "", ['goal-missed@0 ""']],
  ])("%s", (_name, text, expected) => {
    expect(errors([45, 39, 2, 10], 62, text)).toEqual(expected);
    expect(verdict([45, 39, 2, 10], 62, text).solved).toBe(false);
  });

  it("division by zero is a rule error where the zero is there", () => {
    expect(errors([5, 5, 3], 8, "5-5=0\n3/0=0\n")).toEqual(['rule@1 "3/0=0"', 'goal-missed@2 ""']);
  });

  it("a product beyond 2^53 - 1 is refused, not rounded", () => {
    // 94906266^2 = 9007199326062756 lies just beyond 2^53 = 9007199254740992.
    expect(errors([94906266, 94906266], 5, "94906266*94906266=9007199254740991\n")[0]).toMatch(/^arithmetic@0/);
  });
});

describe("after a wrong step", () => {
  it("later steps are judged by what the text says", () => {
    // 45-39=7 puts 7 in the pool: 10*7 is available and right, 6 is not available.
    expect(errors([45, 39, 2, 10], 62, "45-39=7\n10*7=70\n70+6=76\n")).toEqual([
      'arithmetic@0 "45-39=7"',
      'operand@2 "70+6=76"',
      'goal-missed@3 ""',
    ]);
  });

  it("an operand error takes away what is there and puts the result in", () => {
    // 4*4 takes the one 4: it cannot be used again, 16 and 9 can.
    expect(errors([4, 9], 25, "4*4=16\n16+9=25\nGoal Reached!")).toEqual(['operand@0 "4*4=16"']);
    expect(errors([4, 9], 25, "4*4=16\n4+9=13\n")).toEqual(['operand@0 "4*4=16"', 'operand@1 "4+9=13"', 'goal-missed@2 ""']);
  });

  it("reached counts the right steps alone", () => {
    // The second step is right without the first, and reaches 6.
    expect(verdict([4, 2, 9], 6, "9-9=1\n4+2=6\nGoal Reached!")).toMatchObject({ solved: false, reached: true });
    expect(verdict([4, 2, 9], 6, "4+2=6\n")).toMatchObject({ solved: false, reached: true });
    expect(verdict([4, 2, 9], 1, "9-9=1\nGoal Reached!")).toMatchObject({ solved: false, reached: false });
  });

  it("a long text of invented steps is judged step by step, in bounded memory", () => {
    // Each step takes nothing away and adds a number: without a bound the pools alone would fill the heap.
    const { errors } = verdict([4, 2, 9], 6, "50-3=47\n".repeat(50_000));
    expect(errors.slice(0, -1).every((error) => error.kind === "operand")).toBe(true);
    expect(errors).toHaveLength(50_001);
  });

  it("lists the first 100,000 errors and goes on counting", () => {
    const { errors, stats } = verdict([4, 2, 9], 6, "50-3=47\n".repeat(100_001));
    expect(errors).toHaveLength(100_000);
    expect(stats).toMatchObject({ steps: 100_001, mistakesBeforeSuccess: 100_001 });
  });
});

describe("statistics", () => {
  it("count steps, states and mistakes, and name the first error", () => {
    // States: [9,4,2], the claimed [9,7]; the step is wrong.
    expect(verdict([4, 2, 9], 6, "4+2=7\n<backtrack>").stats).toEqual({
      steps: 1,
      backtracks: 1,
      deadEnds: 0,
      nodes: 2,
      mistakesBeforeSuccess: 1,
      firstError: { kind: "arithmetic", step: 0 },
    });
    // 4+2=6 would have been enough; the goal is declared of [15].
    expect(verdict([4, 2, 9], 6, "4+2=6\n6+9=15\nGoal Reached!").stats).toEqual({
      steps: 2,
      backtracks: 0,
      deadEnds: 0,
      nodes: 3,
      mistakesBeforeSuccess: 0,
      firstError: { kind: "false-goal", step: 2 },
    });
  });

  it("measure the way to the goal from the response's start, in characters and tokens", () => {
    const prompt = "###Question: numbers [4, 4, 2]->target 10\n###Response:\n";
    const { stats } = verdict([4, 4, 2], 10, `${prompt}4+4=8\n8+2=10\nGoal Reached!`, { tokens: true });
    // Lines of 6 and 7 characters, a token each; the mark has 13 and is one token.
    expect(stats).toMatchObject({ charactersToGoal: 26, tokensToGoal: 14 });
  });

  it.each([
    // Nothing makes 10 of 0 and 2; 8 and 2 do; a wrong step is always right to leave.
    ["4-4=0\n<backtrack>", { truePositives: 1, falsePositives: 0, missed: 0, unknown: 0, precision: 1, recall: 1 }],
    ["4+4=8\n<backtrack>", { truePositives: 0, falsePositives: 1, missed: 0, unknown: 0, precision: 0 }],
    ["4+4=9\n<backtrack>", { truePositives: 1, falsePositives: 0, missed: 0, unknown: 0, precision: 1, recall: 1 }],
    ["4-4=0\n2+0=2\n<backtrack>", { truePositives: 1, falsePositives: 0, missed: 1, unknown: 0, precision: 1, recall: 1 / 2 }],
    ["4+4=8\n8+2=10\nGoal Reached!", { truePositives: 0, falsePositives: 0, missed: 0, unknown: 0 }],
  ])("judge %j against the truth", (text, calibration) => {
    expect(verdict([4, 4, 2], 10, text, { deadEnds: true }).stats.backtrackCalibration).toEqual(calibration);
  });
});

describe("laws", () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 2, maxLength: 4 });

  it("a canonical solution is solved, and every broken one is not", () => {
    fc.assert(
      fc.property(
        numbers,
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        fc.integer({ min: 1, max: 5 }),
        (pool, target, at, off) => {
          const solution = canonicalSolution(pool, target);
          fc.pre(solution !== undefined);
          const lines = (solution ?? []).map((action) => `${equation(action)}\n`);
          const text = `${lines.join("")}Goal Reached!`;
          expect(verdict(pool, target, text, { useAllNumbers: true })).toMatchObject({
            solved: true,
            reached: true,
            allUsed: true,
            errors: [],
          });
          const step = at % lines.length;
          const action = solution?.[step];
          if (!action) return;
          const bent = `${equation({ ...action, result: action.result + off })}\n`;
          const broken = [...lines.slice(0, step), bent, ...lines.slice(step + 1), "Goal Reached!"].join("");
          expect(verdict(pool, target, broken).errors[0]).toMatchObject({ kind: "arithmetic", step });
          const strange = `${equation({ left: 1000, op: "+", right: action.right, result: 1000 + action.right })}\n`;
          expect(verdict(pool, target, [...lines.slice(0, step), strange].join("")).errors[0]).toMatchObject({
            kind: "operand",
            step,
          });
          expect(verdict(pool, target, lines.join("")).errors).toMatchObject([{ kind: "goal-missed", step: lines.length }]);
          expect(verdict(pool, target, text.slice(0, -1)).errors).toMatchObject([{ kind: "format", step: lines.length }]);
        },
      ),
    );
  });

  it("never throws and points into the text, whatever the text", () => {
    const piece = fc.oneof(
      fc.constantFrom(...selfBacktracking.vocabulary.pieces, "<backtrack>", "4+4=8\n", "4-8=-4\n", "8/0=0\n"),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
        const text = pieces.join("");
        const { errors, solved } = verdict([4, 4, 2], 10, text);
        for (const { span } of errors) expect(0 <= span[0] && span[0] <= span[1] && span[1] <= text.length).toBe(true);
        if (solved) expect(text.endsWith("Goal Reached!")).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
