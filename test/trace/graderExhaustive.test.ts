// Every Countdown problem of 3 numbers from 1 to 5 and targets from 1 to 20, and for each every text of up to two lines
// over the numbers in play: the grader accepts exactly what an evaluator accepts that shares no code with it.
import { expect, it } from "vitest";
import { type CountdownProblem, countdown } from "../../src/puzzle/countdown.ts";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { grade } from "../../src/trace/grader.ts";

/** The numbers on the table after a line, its result last, or undefined when the rules forbid it. Reads the text; counts copies. */
function play(table: readonly number[], line: string): number[] | undefined {
  const [left, op, right, result] = (line.match(/\d+|[-+*/](?=\d)/g) as string[]).map((part, at) =>
    at === 1 ? part : Number(part),
  );
  const rest = [...table];
  for (const used of [left, right]) {
    const at = rest.indexOf(used as number);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  const [a, b, c] = [left as number, right as number, result as number];
  // Each operator by its inverse, so that nothing is divided.
  const holds = op === "+" ? c - a === b : op === "-" ? c + b === a : op === "*" ? c === a * b : b !== 0 && c * b === a;
  return holds && c >= 0 ? [...rest, c] : undefined;
}

/** Lines over the numbers: every ordered pair and operator, with the result rounded down, and one more than that. */
function lines(numbers: readonly number[], wrongToo: boolean): string[] {
  const distinct = [...new Set(numbers)];
  return distinct.flatMap((left) =>
    distinct.flatMap((right) =>
      [left + right, left - right, left * right, Math.floor(left / right)].flatMap((result, at) => {
        if (!Number.isFinite(result) || result < 0) return [];
        const line = `${left}${"+-*/"[at]}${right}=`;
        return wrongToo ? [`${line}${result}\n`, `${line}${result + 1}\n`] : [`${line}${result}\n`];
      }),
    ),
  );
}

/** Texts without their end mark, and the tables they lead to (undefined: a line is wrong). */
function texts(numbers: readonly number[]): { text: string; table: readonly number[] | undefined }[] {
  const found: { text: string; table: readonly number[] | undefined }[] = [{ text: "", table: numbers }];
  for (const first of lines(numbers, true)) {
    const table = play(numbers, first);
    found.push({ text: first, table });
    const result = Number(first.slice(first.indexOf("=") + 1));
    // Among the numbers in play is one that the first line has used up.
    const inPlay = [...(table ?? [...numbers, result]), Number.parseInt(first, 10)];
    for (const second of lines(inPlay, false)) {
      found.push({ text: first + second, table: table && play(table, second) });
    }
  }
  return found;
}

it("accepts exactly what an independent evaluator accepts", () => {
  let accepted = 0;
  const differences: string[] = [];
  for (let a = 1; a <= 5; a++)
    for (let b = a; b <= 5; b++)
      for (let c = b; c <= 5; c++) {
        const numbers = [a, b, c];
        for (const { text, table } of texts(numbers)) {
          for (let target = 1; target <= 20; target++) {
            const problem: CountdownProblem = { puzzle: "countdown", numbers, target };
            const right = table !== undefined && text !== "" && table.at(-1) === target;
            const { solved } = grade(selfBacktracking, countdown, problem, `${text}Goal Reached!`);
            if (solved !== right) differences.push(`${numbers} -> ${target}: ${JSON.stringify(text)} is ${right}`);
            if (right) accepted++;
          }
        }
      }
  expect(differences).toEqual([]);
  expect(accepted).toBeGreaterThan(2000);
});
