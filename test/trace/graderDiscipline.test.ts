import { describe, expect, it } from "vitest";
import type { Discipline } from "../../src/trace/format.ts";
import { errorsOf, script, toy, verdictOf } from "./graderToy.ts";

const bfs: Discipline = { allChildren: true, frontier: "fifo", noRevisit: true };
const rightBfs = "x0 g0>1:A g0>2:B x1 g1>3:C g1>4:D x2 g2>5:C g2>6:G !6 <GBS =SBG";

describe("a right breadth-first search", () => {
  it("has no error, and its counts are right", () => {
    expect(verdictOf(script(rightBfs), { discipline: bfs, options: { tokens: true } })).toEqual({
      solved: true,
      reached: true,
      errors: [],
      // S A B C D G: C came twice. The goal is event 9, declared in character 9 of the text.
      stats: {
        steps: 6,
        backtracks: 0,
        deadEnds: 0,
        nodes: 6,
        mistakesBeforeSuccess: 0,
        charactersToGoal: 10,
        tokensToGoal: 10,
        optimal: true,
      },
    });
  });

  it("may expand the goal without a list of its children", () => {
    expect(
      errorsOf(script("x0 g0>1:A g0>2:B x1 g1>3:C g1>4:D x2 g2>5:C g2>6:G x3 g3>7:G x4 g4>8:E x6 !6"), { discipline: bfs }),
    ).toEqual([]);
  });
});

describe("lists of children", () => {
  it.each([
    ["a missing one", "x0 g0>1:A x1 g1>2:C g1>3:D", ["neighbours@0 event 0"]],
    ["a missing last list", "x0 g0>1:A g0>2:B x1", ["neighbours@2 event 3"]],
    ["one twice", "x0 g0>1:A g0>2:A g0>3:B x1 g1>4:C g1>5:D", ["neighbours@0 event 0"]],
    ["another order", "x0 g0>1:B g0>2:A x1 g1>3:C g1>4:G", ["neighbours@0 event 0"]],
    ["a strange one, by the puzzle's own rule", "x0 g0>1:A g0>2:C g0>3:B x1 g1>4:C g1>5:D", ["neighbours@1 event 2"]],
    ["a strange one for a right one", "x0 g0>1:A g0>2:C x1 g1>4:C g1>5:D", ["neighbours@0 event 0", "neighbours@1 event 2"]],
  ])("%s", (_name, text, expected) => {
    expect(errorsOf(script(text), { discipline: { allChildren: true } }).filter((error) => !error.startsWith("goal"))).toEqual(
      expected,
    );
  });

  it("a list that the text leaves by a format error is not judged", () => {
    const asked = { discipline: bfs, complaints: [{ span: [2, 3], message: "cut off" }] } as const;
    expect(errorsOf(script("x0 g0>1:A"), asked)).toEqual(["format@1 event 2"]);
  });

  it("are not asked for without the discipline", () => {
    expect(errorsOf(script("x0 g0>2:B x2 g2>6:G !6"))).toEqual([]);
  });
});

describe("the queue", () => {
  const fifo: Discipline = { frontier: "fifo" };
  it.each([
    ["a younger one first", "x0 g0>1:A g0>2:B x2 g2>6:G !6", ["queue@2 event 3"]],
    ["then the order goes on from there", "x0 g0>1:A g0>2:B x2 g2>5:C g2>6:G x1 g1>3:D x5 !6", ["queue@2 event 3"]],
    ["what was never open", "x0 g0>1:A g0>2:B x1 x2 x0 g2>6:G !6", ["queue@2 event 5"]],
    ["a duplicate does not enter again", "x0 g0>1:A g0>2:B x1 g1>3:C x2 g2>4:C g2>5:G x3 x5 !5", []],
    ["the root first", "g0>1:A x1 g0>2:B g2>3:G !3", ["queue@1 event 1"]],
  ])("%s", (_name, text, expected) => {
    expect(errorsOf(script(text), { discipline: fifo })).toEqual(expected);
  });

  it("does not judge the turn of a node that was jumped to", () => {
    expect(errorsOf(script("x0 g0>1:A g0>2:B j9C x9 g9>10:G !10"), { discipline: fifo })).toEqual(["jump@2 event 3"]);
  });
});

describe("A* order", () => {
  const astar: Discipline = { frontier: { astar: "table" }, noRevisit: true };
  // Costs depth + estimate: A 1+2, B 1+1, C 2+1, G 2+0.
  it.each([
    ["least cost first", "x0 g0>1:A g0>2:B x2 g2>3:C g2>4:G x4 !4", []],
    ["a dearer one first", "x0 g0>1:A g0>2:B x1 g1>3:C x2 g2>4:G !4", ["queue@2 event 3"]],
    // After B: A costs 3 and C costs 3, either may come.
    ["ties are free (A)", "x0 g0>1:A g0>2:B x2 g2>3:C x1", ["goal-missed@3 event 6"]],
    ["ties are free (C)", "x0 g0>1:A g0>2:B x2 g2>3:C x3", ["goal-missed@3 event 6"]],
    ["a state that is expanded again", "x0 g0>1:A g0>2:B x2 g2>4:G x2 !4", ["revisit@3 event 5"]],
  ])("%s", (_name, text, expected) => {
    expect(errorsOf(script(text), { discipline: astar })).toEqual(expected);
  });

  it("opens a state again when a cheaper way to it is found", () => {
    // By A D C (not an arrow: wrong step) at depth 3, later by B at depth 2: C may be expanded again, and only then.
    const dear = "x0 g0>1:A g0>2:B x1 g1>3:D x3 g3>4:C x4";
    const heuristics = { table: { estimate: () => 0 } };
    const kinds = (text: string) =>
      verdictOf(script(text), { discipline: astar, puzzle: { heuristics } }).errors.map(({ kind }) => kind);
    expect(kinds(`${dear} x2 g2>5:C x5`)).not.toContain("revisit");
    expect(kinds(`${dear} x2 g2>5:G x4`)).toContain("revisit");
  });

  it("a heuristic that the puzzle lacks is a fault of the format", () => {
    expect(() => errorsOf(script("x0"), { discipline: { frontier: { astar: "none" } } })).toThrowError(
      /names the heuristic none/,
    );
  });
});

describe("revisits", () => {
  it.each([
    ["the same node", "x0 g0>1:A x1 g1>2:C x1 g2>3:G !3", ["revisit@2 event 4"]],
    ["an equal state", "x0 g0>1:A g0>2:B x1 g1>3:C x3 x2 g2>4:C x4 g4>5:G !5", ["revisit@4 event 8"]],
  ])("%s", (_name, text, expected) => {
    expect(errorsOf(script(text), { discipline: { noRevisit: true } })).toEqual(expected);
    expect(errorsOf(script(text))).toEqual([]);
  });
});

describe("dead ends", () => {
  const asserts: Discipline = { assertsDeadEnds: true };
  it.each([
    ["a goal", "g0>1:B g1>2:G d2 !2", [], ["dead-end-invented@2 event 2"]],
    ["a state with a way to the goal", "g0>1:A d1 g0>2:B g2>3:G !3", ["dead-end-invented@1 event 1"], []],
    ["the same state twice, judged once", "g0>1:A d1 d1 g0>2:B g2>3:G !3", ["dead-end-invented@1 event 1"], []],
    ["a state without one", "g0>1:A g1>2:D d2 g0>3:B g3>4:G !4", [], []],
  ])("%s", (_name, text, only, both) => {
    expect(errorsOf(script(text), { discipline: asserts })).toEqual([...only, ...both]);
    expect(errorsOf(script(text))).toEqual(both);
  });

  it("denied: a legal step from a state in which the puzzle sees no step, once for each state", () => {
    // As in Sudoku: a cell without candidates leaves no action, while digits elsewhere break no rule.
    const puzzle = { actions: (_: null, state: string) => (state === "A" ? [] : toy.actions(null, state)) };
    const text = "g0>1:A g1>2:C g1>3:D g2>4:G !4";
    expect(errorsOf(script(text), { discipline: asserts, puzzle })).toEqual(["dead-end-denied@1 event 1"]);
    expect(errorsOf(script(text), { puzzle })).toEqual([]);
  });

  it("calibration: what was left and what was gone on with, against the truth", () => {
    const text = "g0>1:A d1 g0>2:B g2>3:C g3>4:E d4 g1>5:D g5>6:E d6 b6>5 !6";
    // Left: A (solvable), E by a wrong step, E. Gone on: S A B C (solvable), D (dead).
    expect(verdictOf(script(text), { options: { deadEnds: true } }).stats.backtrackCalibration).toEqual({
      truePositives: 2,
      falsePositives: 1,
      missed: 1,
      unknown: 0,
      precision: 2 / 3,
      recall: 2 / 3,
    });
    const ignorant = verdictOf(script(text), { puzzle: { canSolve: () => undefined }, options: { deadEnds: true } });
    // A wrong step is known to lead nowhere; A and E were left, S A B C D gone on with.
    expect(ignorant.stats.backtrackCalibration).toMatchObject({ truePositives: 1, missed: 0, unknown: 7 });
    expect(verdictOf(script("g0>1:A")).stats.backtrackCalibration).toBeUndefined();
  });
});

describe("what is told after the search", () => {
  const search = "g0>1:A g0>2:B g2>3:G !3";
  it.each([
    ["the way the search took", `${search} <GBS`, []],
    ["another way", `${search} <GCS`, ["traceback@3 event 4"]],
    ["a way that stops early", `${search} <GB`, ["traceback@3 event 4"]],
    ["a way that goes on", `${search} <GBSS`, ["traceback@3 event 4"]],
    ["a way without a goal", "g0>1:B <BS", ["traceback@1 event 1", "goal-missed@1 event 2"]],
    ["the answer told back", `${search} <GBS =SBG`, []],
    ["an answer that is right, but another way than the one told back", `${search} <GBS =SACG`, ["traceback@3 event 5"]],
    ["an answer alone", "=SBG", []],
    ["an answer that the search did not find", `${search} =SACG`, []],
    ["an answer with a step that is none", `${search} =SG`, ["rule@3 event 4"]],
    ["an answer from elsewhere", `${search} =BG`, ["rule@3 event 4"]],
    ["an answer that stops early", "=SB", ["false-goal@0 event 0"]],
    ["an empty answer", `${search} =`, ["false-goal@3 event 4"]],
  ])("%s", (_name, text, expected) => {
    expect(errorsOf(script(text))).toEqual(expected);
  });

  it("a longer way than the shortest is wrong where the puzzle demands the shortest, and a statistic everywhere", () => {
    const puzzle = { demandsShortest: true };
    const long = "g0>1:A g1>2:C g2>3:G !3";
    expect(errorsOf(script(long), { puzzle })).toEqual(["not-shortest@3 event 3"]);
    expect(errorsOf(script(`${long} =SBG`), { puzzle })).toEqual([]);
    expect(errorsOf(script(`${search} =SACG`), { puzzle })).toEqual(["not-shortest@3 event 4"]);
    expect(verdictOf(script(long)).stats.optimal).toBe(false);
    expect(verdictOf(script(search)).stats.optimal).toBe(true);
    expect(verdictOf(script("g0>1:A")).stats).not.toHaveProperty("optimal");
  });
});

describe("statistics", () => {
  it("mistakes count up to the first true goal; the first error is the first in the text", () => {
    const { stats } = verdictOf(script("g0>1:A !1 d1 g0>2:G j7C g0>3:B g3>4:G !4 d3"));
    // d1, the wrong step to G, the jump; the false goal is no step, and the last dead end comes after success.
    expect(stats).toMatchObject({ steps: 4, deadEnds: 2, mistakesBeforeSuccess: 3, charactersToGoal: 8 });
    expect(stats.firstError).toEqual({ kind: "false-goal", step: 1 });
  });

  it("what lies below a jump or behind a wrong step does not reach the goal by right steps", () => {
    expect(verdictOf(script("j1C g1>2:G !2"))).toMatchObject({ reached: false, solved: false });
    expect(verdictOf(script("g0>1:G !1"))).toMatchObject({ reached: false, solved: false });
    expect(verdictOf(script("g0>1:C g1>2:B g2>3:G !3"))).toMatchObject({ reached: true, solved: false });
  });

  it("what the parser complains about stands at its event's step, and reading goes on", () => {
    const complaints = [
      { kind: "state", event: 2, span: [2, 3], message: "the pool differs" },
      { kind: "state", event: 1, span: [1, 2], message: "the pool differs" },
    ] as const;
    expect(errorsOf(script("g0>1:B v1 g1>2:G !2"), { complaints })).toEqual(["state@1 event 1", "state@1 event 2"]);
  });

  it("a node that the parser never brought in is a fault of the parser", () => {
    expect(() => errorsOf(script("v1 g1>2:A"))).toThrowError(/refers to node 1 before it is generated/);
  });
});
