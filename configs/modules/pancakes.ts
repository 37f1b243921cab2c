// A puzzle of one's own in sixty lines: sort a stack of pancakes by turning over its top, and a format for the answers.
// Check it: backtrail check configs/modules/pancakes.ts. Use it: configs/data/pancakes.yaml.
import type { Puzzle } from "backtrail/puzzle";
import { stepsFormat } from "backtrail/steps";

interface Problem {
  readonly puzzle: "pancakes";
  readonly stack: readonly number[];
}
type Stack = readonly number[];

const turn = (stack: Stack, count: number): Stack => [...stack.slice(0, count).reverse(), ...stack.slice(count)];
const isSorted = (stack: Stack) => stack.every((size, index) => size === index + 1);

export const puzzle: Puzzle<{ size: number }, Problem, Stack, number> = {
  name: "pancakes",
  readOptions: (value) => ({ size: 5, ...(value as object) }),
  generate: (rng, { size }) => {
    for (;;) {
      const stack = rng.shuffled(Array.from({ length: size }, (_, index) => index + 1));
      if (!isSorted(stack)) return { puzzle: "pancakes", stack };
    }
  },
  canonicalKey: ({ stack }) => `pancakes:${stack.join(",")}`,
  root: ({ stack }) => stack,
  actions: (_problem, stack) => stack.slice(1).map((_, index) => index + 2),
  apply: (_problem, stack, count) =>
    count >= 2 && count <= stack.length
      ? { ok: true, state: turn(stack, count) }
      : { ok: false, violation: { kind: "rule", message: `there are ${stack.length} pancakes: ${count} cannot be turned` } },
  isGoal: (_problem, stack) => isSorted(stack),
  stateKey: (stack) => stack.join(" "),
  heuristics: {
    gap: { estimate: (_problem, stack) => stack.filter((s, i) => i > 0 && Math.abs(s - (stack[i - 1] ?? 0)) > 1).length },
  },
  readProblem: (value) => {
    const stack = (value as Problem | null)?.stack;
    if (!Array.isArray(stack) || !isSorted([...stack].sort((a, b) => a - b)))
      throw new Error("stack: expected 1 to n in some order");
    return { puzzle: "pancakes", stack };
  },
  writeProblem: ({ stack }) => ({ puzzle: "pancakes", stack }),
};

/** "turn 3", a line each, then "sorted". */
const path = stepsFormat<Problem, number, Stack>({
  name: "path",
  puzzle: "pancakes",
  prompt: ({ stack }) => `${stack.join(" ")}:\n`,
  readPrompt: (text) => {
    const [prompt, numbers] = /^(\d+(?: \d+)*):\n/.exec(text) ?? [];
    if (prompt === undefined || numbers === undefined) return undefined;
    return { problem: { puzzle: "pancakes", stack: numbers.split(" ").map(Number) }, length: prompt.length };
  },
  writeAction: (count) => `turn ${count}`,
  readAction: (line) => (/^turn [1-9]\d{0,3}$/.test(line) ? Number(line.slice(5)) : undefined),
  goal: "sorted",
  pieces: [..."0123456789 :", "turn "],
});
export const formats = [path];
