// How fast traces are graded, per format and by the compat scorers; with --fuzz N, whether `backtrail grade` answers N damaged
// lines: no crash, no line over 50 ms, no growth of memory. `--json` prints the rows alone.
import { parseArgs } from "node:util";
import { gradeCommand } from "../src/cli/grade.ts";
import { defaultSolver } from "../src/config/solvers.ts";
import { Rng } from "../src/lib/rng.ts";
import { median } from "../src/lib/stats.ts";
import type { CountdownProblem } from "../src/puzzle/countdown.ts";
import { allPuzzles } from "../src/puzzle/registry.ts";
import { compatScorers } from "../src/trace/compat/compatScorers.ts";
import { grade } from "../src/trace/grader.ts";
import { formatsOf } from "../src/trace/registry.ts";
import { type Case, casesOf, damagedCase, damagedLine, smallOptions } from "./gradeCases.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    traces: { type: "string", default: "300" },
    fuzz: { type: "string" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});

interface Row {
  readonly name: string;
  readonly textsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly meanCharacters: number;
}

/** Every registered format, by its default solver. */
const sources = allPuzzles().flatMap((puzzle) =>
  formatsOf(puzzle.name).map((format) => ({ puzzle, format, solver: defaultSolver(format.name) })),
);

/** CPU seconds of this process. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Texts per CPU second of `one` over the cases: median of the rounds, after one that is thrown away. */
function rate(name: string, cases: readonly Case[], one: (item: Case) => boolean): Row {
  const rates: number[] = [];
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const begin = cpuSeconds();
    let [count, accepted] = [0, 0];
    while (cpuSeconds() - begin < Number(flags.seconds)) {
      for (const item of cases) if (one(item)) accepted++;
      count += cases.length;
    }
    if (accepted === 0) throw new Error(`${name}: nothing is accepted`);
    if (round > 0) rates.push(count / (cpuSeconds() - begin));
  }
  const meanCharacters = cases.reduce((sum, { text }) => sum + text.length, 0) / cases.length;
  const textsPerSecond = median(rates);
  return { name, textsPerSecond, megabytesPerSecond: (textsPerSecond * meanCharacters) / 1e6, meanCharacters };
}

function rates(): Row[] {
  const cases = casesOf(sources, Number(flags.traces));
  const names = new Set(cases.map(({ format }) => `${format.puzzle} ${format.name}`));
  const strict = [...names].flatMap((name) => {
    const own = cases.filter(({ format }) => `${format.puzzle} ${format.name}` === name);
    const plain = (item: Case) => grade(item.format, item.puzzle, item.problem, item.text).solved;
    const full = { deadEnds: true, tokens: true };
    const stats = (item: Case) => grade(item.format, item.puzzle, item.problem, item.text, full).solved;
    return [rate(name, own, plain), rate(`${name}, --stats`, own, stats)];
  });
  const compat = (["sb", "sos"] as const).flatMap((name) => {
    const own = cases.filter(({ format }) => format.name === (name === "sb" ? "self-backtracking" : "sos"));
    const score = (item: Case) => compatScorers[name].score(item.problem as CountdownProblem, item.text).accepted;
    return own.length === 0 ? [] : [rate(`compat ${name}`, own, score)];
  });
  return [...strict, ...compat];
}

/** What the fuzz saw. */
interface Fuzzed {
  readonly lines: number;
  readonly answers: number;
  /** CPU time of the slowest line, garbage collection included, and how many lines took more than 50 ms of it. */
  readonly slowestMs: number;
  readonly over50Ms: number;
  readonly seconds: number;
  /** Resident set at each tenth of the way, after a garbage collection where node runs with --expose-gc. */
  readonly megabytes: readonly number[];
}

/** Feeds the command one line a chunk: it answers a chunk before it asks for the next, so the time between is the line's. */
async function fuzz(lines: number): Promise<Fuzzed> {
  const cases = casesOf(sources, 50, smallOptions);
  const rng = Rng.for(Number(flags.seed), "fuzz");
  const begin = performance.now();
  const megabytes: number[] = [];
  let [answers, slowestMs, over50Ms] = [0, 0, 0];
  async function* input() {
    for (let index = 0; index < lines; index++) {
      const line = damagedLine(rng, damagedCase(rng, cases));
      if (index % Math.ceil(lines / 10) === 0) {
        globalThis.gc?.();
        megabytes.push(Math.round(process.memoryUsage().rss / 2 ** 20));
      }
      const asked = cpuSeconds();
      yield line;
      const ms = (cpuSeconds() - asked) * 1000;
      slowestMs = Math.max(slowestMs, ms);
      if (ms <= 50) continue;
      over50Ms++;
      process.stderr.write(`line ${index}, ${line.length} bytes, took ${ms.toFixed(1)} ms: ${line.toString().slice(0, 200)}\n`);
    }
  }
  const out = (text: string) => {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) answers++;
  };
  const command = { useAllNumbers: false, compat: "sb,sos", stats: true };
  const err = (text: string) => process.stderr.write(text);
  await gradeCommand({ stdin: input(), out, err, drained: async () => undefined }, command);
  return { lines, answers, slowestMs, over50Ms, seconds: (performance.now() - begin) / 1000, megabytes };
}

if (flags.fuzz !== undefined) {
  const result = await fuzz(Number(flags.fuzz));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (result.answers !== result.lines) throw new Error(`${result.lines} lines, ${result.answers} answers`);
} else {
  const rows = rates();
  const number = (value: number, digits: number) => value.toFixed(digits).padStart(12);
  const table = rows.map(
    (row) =>
      `${row.name.padEnd(36)}${number(row.textsPerSecond, 0)}${number(row.megabytesPerSecond, 1)}${number(row.meanCharacters, 0)}`,
  );
  const head = `${"".padEnd(36)}${"texts/s".padStart(12)}${"MB/s".padStart(12)}${"characters".padStart(12)}`;
  process.stdout.write(flags.json ? `${JSON.stringify(rows)}\n` : `${[head, ...table].join("\n")}\n`);
}
