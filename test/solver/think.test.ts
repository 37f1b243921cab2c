import { describe, expect, it } from "vitest";
import { Rng } from "../../src/lib/rng.ts";
import { type CountdownProblem, type CountdownState, countdown, countdownOptions } from "../../src/puzzle/countdown.ts";
import { canReachWithSome } from "../../src/puzzle/countdownReach.ts";
import { dfs } from "../../src/solver/dfs.ts";
import { think } from "../../src/solver/think.ts";

function drawn(seed: number): CountdownProblem {
  return countdown.generate(Rng.for(seed, "think"), countdownOptions.parse({ kind: "countdown", operands: [1, 30] }));
}

describe("solver think", () => {
  it("visits a pair exactly when it can be won, and gives every other one up at once", () => {
    let [won, lost] = [0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const problem = drawn(seed);
      const states = new Map<number, CountdownState>([[0, countdown.root(problem)]]);
      const events = [...think.solve(countdown, problem, { kind: "think", heuristic: "mult" }, Rng.for(1))];
      for (const [index, event] of events.entries()) {
        if (event.kind !== "generate") continue;
        const applied = countdown.apply(problem, states.get(event.parent) as CountdownState, event.action);
        if (!applied.ok) expect.fail("an illegal action");
        states.set(event.node, applied.state);
        if (applied.state.length !== 2) continue;
        const winning = canReachWithSome(applied.state, problem.target);
        expect(events[index + 1]).toEqual({ kind: winning ? "visit" : "deadEnd", node: event.node });
        if (winning) won++;
        else lost++;
      }
    }
    expect(won).toBeGreaterThan(10);
    expect(lost).toBeGreaterThan(100);
  });

  it("finds the same goals as dfs with fewer nodes", () => {
    for (let seed = 0; seed < 20; seed++) {
      const problem = drawn(seed);
      const full = [...dfs.solve(countdown, problem, { kind: "dfs", heuristic: "mult", threshold: "target" }, Rng.for(1))];
      const short = [...think.solve(countdown, problem, { kind: "think", heuristic: "mult" }, Rng.for(1))];
      expect(short.at(-1)?.kind === "goal").toBe(full.at(-1)?.kind === "goal");
      expect(short.length).toBeLessThanOrEqual(full.length);
    }
  });

  it("keeps to the budget", () => {
    const events = [...think.solve(countdown, drawn(3), { kind: "think", heuristic: "mult", maxNodes: 2 }, Rng.for(1))];
    expect(events.filter(({ kind }) => kind === "generate").length).toBeLessThanOrEqual(2);
  });
});
