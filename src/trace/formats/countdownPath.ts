// The text of a Countdown solution alone, in the lines of Stream of Search's `optimal_path` (countdown.py of its repository):
// the direct arm of "To Backtrack or Not to Backtrack". Knows no rule of the puzzle.
import { quote } from "../../lib/text.ts";
import { type CountdownAction, type CountdownProblem, type CountdownState, equation } from "../../puzzle/countdown.ts";
import type { SearchEvent, Trace } from "../../solver/events.ts";
import type { Format, Parsed, Rendered, Span } from "../format.ts";
import { pathTo } from "../path.ts";
import { readSosPrompt, sosPieces, sosPrompt } from "./sos.ts";
import { type Line, SosCursor } from "./sosCursor.ts";
import {
  exploringLine,
  isPathNode,
  pathNodeLine,
  readExploring,
  readState,
  readVerdict,
  stateLine,
  verdictLine,
  words,
} from "./sosLines.ts";
import { actionShown, listedAfter, plainAction, type SosAction, sameList } from "./sosTree.ts";

type Event = SearchEvent<SosAction, CountdownState>;

/** The path to a goal or the node visited last. */
interface Kept {
  /** Each action with the pool that it leaves, as listed. */
  readonly steps: readonly { readonly action: SosAction; readonly pool: readonly number[] }[];
  readonly goal: boolean;
}

function keptOf(problem: CountdownProblem, trace: Trace<SosAction, CountdownState>): Kept {
  const goal = trace.find((event) => event.kind === "goal");
  const visit = trace.findLast((event) => event.kind === "visit");
  let pool: readonly number[] = problem.numbers;
  const path = pathTo(trace, goal?.node ?? visit?.node ?? 0);
  const steps: { action: SosAction; pool: readonly number[] }[] = [];
  for (const made of path) {
    // A wrong step may go on from a last number; the text cannot.
    if (pool.length === 1) break;
    const action = plainAction(pool, made);
    pool = action.shown ?? listedAfter(pool, action);
    steps.push({ action, pool });
  }
  return { steps, goal: goal !== undefined && steps.length === path.length && pool.length === 1 };
}

function eventsOf({ steps, goal }: Kept): Event[] {
  const events = steps.flatMap(({ action }, index): Event[] => [
    { kind: "generate", node: index + 1, parent: index, action },
    { kind: "visit", node: index + 1 },
  ]);
  return goal ? [...events, { kind: "goal", node: steps.length }] : events;
}

/** The span of a `generate` ends with its node line, that of the `visit` is the state line; a last number has neither. */
function render(problem: CountdownProblem, trace: Trace<SosAction, CountdownState>): Rendered {
  const { target } = problem;
  const kept = keptOf(problem, trace);
  const done: string[] = [];
  // Lines of each event; [] for the visit of a last number.
  const lines = kept.steps.flatMap(({ action, pool }, index): string[][] => {
    const operation = equation(action);
    done.push(operation);
    const exploring = exploringLine(action, pool);
    if (pool.length === 1) return [[exploring], []];
    return [[exploring, pathNodeLine(index + 2, pool, operation)], [stateLine({ target, pool, operations: done })]];
  });
  if (kept.goal) lines.push([verdictLine(kept.steps.at(-1)?.pool[0] as number, target, true)]);
  const text = lines.flat().join("\n");
  let from = 0;
  const eventSpans = lines.map((own): Span => {
    const to = Math.min(
      own.reduce((sum, line) => sum + line.length + 1, from),
      text.length,
    );
    const span: Span = [from, to];
    from = to;
    return span;
  });
  return { text, eventSpans };
}

/** Reads one path; the same way as SosReader, but every child is moved to at once and nothing is left. */
class PathReader {
  readonly events: Event[] = [];
  readonly eventSpans: Span[] = [];
  readonly cursor: SosCursor;
  readonly #target: number;
  readonly #operations: string[] = [];
  #pool: readonly number[];

  constructor(problem: CountdownProblem, text: string) {
    this.cursor = new SosCursor(text);
    this.#target = problem.target;
    this.#pool = problem.numbers;
  }

  read(): void {
    let at = 0;
    while (this.cursor.length > 0) {
      const first = this.cursor.lineAt(at);
      const last = first && this.#step(first);
      if (!last || last.to === this.cursor.length) return;
      at = last.to + 1;
    }
  }

  #step(exploring: Line): Line | undefined {
    const read = readExploring(exploring.text);
    if (!read) return this.cursor.unexpected(exploring, `${quote(words.exploring)}a-b=c, Resulting Numbers: [...]`);
    const right = actionShown(this.#pool, read.action, read.pool);
    const wrong = right ? undefined : `the numbers that result are [${listedAfter(this.#pool, read.action).join(", ")}]`;
    const action = right ?? read.action;
    if (read.pool.length === 1) return this.#last(exploring, action, read.pool, wrong);

    const operation = equation(action);
    const node = this.cursor.lineAfter(exploring);
    if (!node) return undefined;
    if (!isPathNode(node.text)) return this.cursor.unexpected(node, `${quote(words.generated)}2: [...] from Operation: a-b=c`);
    const state = this.cursor.lineAfter(node);
    if (!state) return undefined;
    const stated = readState(state.text);
    if (!stated) return this.cursor.unexpected(state, `${quote(words.state)}target:[...], Operations: [...]`);

    const depth = this.#operations.push(operation);
    if (wrong) this.#disagrees(exploring, wrong);
    const expectedNode = pathNodeLine(depth + 1, read.pool, operation);
    if (node.text !== expectedNode) this.#disagrees(node, `the lines before make this ${quote(expectedNode, 120)}`);
    if (stated.target !== this.#target) this.#disagrees(state, `the target is ${this.#target}, not ${stated.target}`);
    if (!sameList(stated.pool, read.pool)) this.#disagrees(state, `the numbers are [${read.pool.join(", ")}]`);
    if (!sameList(stated.operations, this.#operations)) {
      this.#disagrees(state, `the ${depth} operations of the lines before are not these`);
    }
    this.#push(action, this.cursor.span(exploring, node), this.cursor.span(state, state));
    this.#pool = read.pool;
    return state;
  }

  /** One number is left: the verdict, or the end of the text. */
  #last(exploring: Line, action: SosAction, pool: readonly number[], wrong: string | undefined): Line | undefined {
    if (wrong) this.#disagrees(exploring, wrong);
    const span = this.cursor.span(exploring, exploring);
    const visit: Span = [span[1], span[1]];
    if (exploring.to === this.cursor.length) {
      this.#push(action, span, visit);
      return exploring;
    }
    const line = this.cursor.lineAfter(exploring);
    const verdict = line && readVerdict(line.text);
    if (!line || !verdict?.goal) {
      // The newline belongs to what could not be read.
      this.#push(action, [span[0], exploring.to], [exploring.to, exploring.to]);
      return line && this.cursor.unexpected(line, quote(verdictLine(pool[0] as number, this.#target, true)));
    }
    this.#push(action, span, visit);
    if (verdict.value !== pool[0] || verdict.target !== this.#target) {
      this.#disagrees(line, `the number that results is ${pool[0]}, the target ${this.#target}`);
    }
    this.events.push({ kind: "goal", node: this.events.length / 2 });
    this.eventSpans.push(this.cursor.span(line, line));
    this.cursor.endAfter(line);
    return undefined;
  }

  #push(action: SosAction, generated: Span, visited: Span): void {
    const node = this.events.length / 2 + 1;
    this.events.push({ kind: "generate", node, parent: node - 1, action }, { kind: "visit", node });
    this.eventSpans.push(generated, visited);
  }

  #disagrees(line: Line, message: string): void {
    this.cursor.disagrees(line, this.events.length, message);
  }
}

function parse(problem: CountdownProblem, text: string): Parsed<CountdownAction, CountdownState> {
  const reader = new PathReader(problem, text);
  reader.read();
  return { events: reader.events, eventSpans: reader.eventSpans, errors: reader.cursor.errors };
}

/**
 * Format `path` of Countdown. Kept of a trace: the path to the first goal; without a goal the path to the node visited
 * last. A goal with numbers left has no line. Nodes are numbered from 2, as published; pools and marks are those of format
 * `sos`. There is no line for failure: a text that ends behind its last number has given up.
 */
export const countdownPath: Format<CountdownProblem, CountdownAction, CountdownState> = {
  name: "path",
  puzzle: "countdown",
  vocabulary: { pieces: [...sosPieces, ": [", "] from Operation: "], special: [] },
  markers: { goal: words.equal, stepDelimiter: "\n" },
  prompt: sosPrompt,
  readPrompt: readSosPrompt,
  project: (problem, trace) => eventsOf(keptOf(problem, trace)),
  render,
  parse,
};
