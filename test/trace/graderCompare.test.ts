import { describe, expect, it } from "vitest";
import { compareTraces } from "../../src/trace/graderCompare.ts";
import { script, toy } from "./graderToy.ts";

const overlap = (ours: string, theirs: string) => compareTraces(toy, null, script(ours), script(theirs));

describe("compareTraces", () => {
  it.each([
    // {S A C} and {S B G}: S alone is shared, of five states and of three.
    ["g0>1:A g1>2:C", "g0>1:B g1>2:G", 1 / 5, 1 / 3],
    // {S A B} within {S A B C D}.
    ["g0>1:A g0>2:B", "g0>1:A g0>2:B g1>3:C g1>4:D", 3 / 5, 3 / 5],
    // A state counts once, however often and by whatever way it comes.
    ["g0>1:A g0>2:B g1>3:C g2>4:C", "g0>1:B g1>2:C g0>3:A", 1, 1],
    // G behind a wrong step does not count, E behind D does: {S A D E} and {S B G}.
    ["g0>1:A g0>2:G g1>3:D g3>4:E", "g0>1:B g1>2:G", 1 / 6, 1 / 4],
    // Nor does a state that was jumped to, but what is right behind it does: {S G} and {S B G}.
    ["j1B g1>2:G !2", "g0>1:B g1>2:G", 2 / 3, 2 / 3],
  ])("%s with %s", (ours, theirs, jaccard, alignment) => {
    expect(overlap(ours, theirs)).toEqual({ jaccard, alignment });
    expect(overlap(theirs, ours)).toEqual({ jaccard, alignment });
  });
});
