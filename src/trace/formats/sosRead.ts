// Reads Stream of Search text: lines to events, and what the lines say twice held against each other. Knows no rule of
// the puzzle: whether an equation is right is the grader's.
import { quote } from "../../lib/text.ts";
import { type CountdownAction, type CountdownProblem, type CountdownState, equation } from "../../puzzle/countdown.ts";
import type { Parsed, Span } from "../format.ts";
import { type Line, SosCursor } from "./sosCursor.ts";
import { generatedLine, type Outcome, readExploring, readMoving, readOutcome, readState, words } from "./sosLines.ts";
import {
  actionShown,
  isAncestor,
  listedAfter,
  operationsTo,
  type SosDialect,
  type SosEvent,
  type SosNode,
  SosTree,
  sameList,
} from "./sosTree.ts";

/** What the state line of the place moved to last says: children start from there. */
interface Place {
  readonly node: SosNode;
  readonly pool: readonly number[];
  readonly operations: readonly string[];
}

/** What an "Exploring Operation" line says: `pool` as it is stated. */
interface Explored {
  readonly action: CountdownAction;
  readonly operation: string;
  readonly pool: readonly number[];
}

const bracketed = (pool: readonly number[]) => `[${pool.join(", ")}]`;

class SosReader {
  readonly events: SosEvent[] = [];
  readonly eventSpans: Span[] = [];
  readonly cursor: SosCursor;
  readonly #dialect: SosDialect;
  readonly #tree: SosTree;
  #here: Place;
  #stands: SosNode;

  constructor(dialect: SosDialect, problem: CountdownProblem, text: string) {
    this.#dialect = dialect;
    this.cursor = new SosCursor(text);
    this.#tree = new SosTree(problem);
    this.#here = { node: this.#tree.root, pool: problem.numbers, operations: [] };
    this.#stands = this.#tree.root;
  }

  /** Reads moves and children up to the end of the text or of its valid part. */
  read(): void {
    let at = 0;
    while (this.cursor.length > 0) {
      const first = this.cursor.lineAt(at);
      const last = first && this.#unit(first);
      if (!last || last.to === this.cursor.length) return;
      const end = this.events.at(-1);
      if (end?.kind === "goal" || (end?.kind === "deadEnd" && end.node === 0)) {
        this.cursor.endAfter(last);
        return;
      }
      at = last.to + 1;
    }
  }

  /** Reads the lines of one move or one child. Returns its last line, or undefined where it leaves the grammar. */
  #unit(first: Line): Line | undefined {
    if (first.text.startsWith(words.exploring)) return this.#child(first);
    if (first.text.startsWith(words.moving)) return this.#move(first);
    const { ending } = this.#dialect;
    if (!ending || first.text !== words.ending) {
      const expected = [words.exploring, words.moving, ...(ending ? [words.ending] : [])].map((word) => quote(word));
      return this.cursor.unexpected(first, `a line that begins with ${expected.join(" or ")}`);
    }
    this.#push({ kind: "deadEnd", node: 0 }, first, first);
    return first;
  }

  #child(first: Line): Line | undefined {
    const read = readExploring(first.text);
    if (!read) return this.cursor.unexpected(first, `${quote(words.exploring)}a-b=c, Resulting Numbers: [...]`);
    const second = this.cursor.lineAfter(first);
    if (!second) return undefined;
    const { node: parent, pool: before } = this.#here;
    const explored: Explored = { ...read, operation: equation(read.action) };
    const label = this.#tree.childLabel(parent, true);
    const listed = second.text === generatedLine(label, this.#tree.target, read.pool, explored.operation);
    const outcome = listed ? undefined : readOutcome(second.text);
    if (!listed && (!outcome || (outcome.kind === "lostPair" && !this.#dialect.pairs))) {
      return this.cursor.unexpected(second, `${quote(words.generated)} or a verdict such as ${quote(`6,62${words.unequal}`)}`);
    }
    const action = actionShown(before, read.action, read.pool);
    if (!action) this.#state(first, `the numbers that result are ${bracketed(listedAfter(before, read.action))}, in any order`);
    if (outcome || read.pool.length === 1) this.#checkOutcome(second, explored, label, outcome);
    const isListed = outcome === undefined || outcome.kind === "generated";
    const own = outcome?.kind === "generated" ? outcome.label : isListed ? label : this.#tree.childLabel(parent, false);
    const born = { parent, label: own, pool: read.pool, before: this.#here.operations, operation: explored.operation };
    const node = this.#tree.add(born, isListed);
    // Only a pair shows by itself that it is lost: of other pools the line is wrong as it stands, and asserts nothing.
    const asserts = !isListed && (outcome.kind !== "lostPair" || read.pool.length === 2);
    this.#push(
      { kind: "generate", node: node.id, parent: parent.id, action: action ?? read.action },
      first,
      asserts ? first : second,
    );
    if (!isListed) this.#stands = node;
    if (asserts) {
      const goal = outcome.kind === "verdict" && outcome.goal;
      this.#push({ kind: goal ? "goal" : "deadEnd", node: node.id }, second, second);
    }
    return second;
  }

  /** Holds the second line of a child against the first; no outcome: it is the "Generated Node" line that was expected. */
  #checkOutcome(line: Line, { pool, operation }: Explored, label: string, outcome: Outcome | undefined): void {
    const { target } = this.#tree;
    const check = (right: boolean, message: () => string) => {
      if (!right) this.#state(line, message());
    };
    const sizes = { generated: pool.length > 1, verdict: pool.length === 1, lostPair: pool.length === 2 };
    check(sizes[outcome?.kind ?? "generated"], () => `this line does not fit the ${pool.length} number(s) ${bracketed(pool)}`);
    if (!outcome) return;
    if (outcome.kind !== "lostPair") {
      check(outcome.target === target, () => `the target is ${target}, not ${outcome.target}`);
    }
    if (outcome.kind === "verdict") {
      check(pool.includes(outcome.value), () => `the number that results is ${bracketed(pool)}, not ${outcome.value}`);
      return;
    }
    check(sameList(outcome.pool, pool), () => `the line before says ${bracketed(pool)}, not ${bracketed(outcome.pool)}`);
    if (outcome.kind === "lostPair") return;
    check(outcome.label === label, () => `the node's number is #${label}, not #${outcome.label}`);
    check(outcome.operation === operation, () => `the line before says ${operation}, not ${outcome.operation}`);
  }

  #move(first: Line): Line | undefined {
    const label = readMoving(first.text);
    if (label === undefined) return this.cursor.unexpected(first, `${quote(words.moving)} and numbers such as 0,1`);
    const second = this.cursor.lineAfter(first);
    if (!second) return undefined;
    const node = this.#tree.find(label, second.text);
    if (node) return this.#arrive(node, { pool: node.pool, operations: operationsTo(node) }, first, second);
    const stated = readState(second.text);
    if (!stated) return this.cursor.unexpected(second, `${quote(words.state)}target:[...], Operations: [...]`);
    const { target } = this.#tree;
    if (stated.target !== target) this.#state(second, `the target is ${target}, not ${stated.target}`);
    const meant = this.#tree.latest(label);
    if (!meant) return this.#jump(label, stated, first, second);
    if (!sameList(stated.pool, meant.pool)) {
      this.#state(second, `node #${label} has the numbers ${bracketed(meant.pool)}, not ${bracketed(stated.pool)}`);
    }
    if (!sameList(stated.operations, operationsTo(meant))) {
      this.#state(second, `the operations that led to node #${label} are not these`);
    }
    return this.#arrive(meant, stated, first, second);
  }

  #arrive(node: SosNode, { pool, operations }: Pick<Place, "pool" | "operations">, first: Line, second: Line): Line {
    const up = isAncestor(node, this.#stands);
    this.#push(
      up ? { kind: "backtrack", from: this.#stands.id, to: node.id } : { kind: "visit", node: node.id },
      first,
      second,
    );
    this.#here = { node, pool, operations };
    this.#stands = node;
    return second;
  }

  #jump(label: string, { pool, operations }: Pick<Place, "pool" | "operations">, first: Line, second: Line): Line {
    const node = this.#tree.addJump(label, pool, operations);
    const state = [...pool].sort((a, b) => b - a);
    this.#push({ kind: "jump", node: node.id, state, label, shown: pool, operations }, first, second);
    this.#here = { node, pool, operations };
    this.#stands = node;
    return second;
  }

  #push(event: SosEvent, first: Line, last: Line): void {
    this.events.push(event);
    this.eventSpans.push(this.cursor.span(first, last));
  }

  /** Something restated that does not agree, in the lines of the event that comes next. */
  #state(line: Line, message: string): void {
    this.cursor.disagrees(line, this.events.length, message);
  }
}

/** What a text of the dialect says. Never throws; takes time in proportion to the text. */
export function readSos(dialect: SosDialect, problem: CountdownProblem, text: string): Parsed<CountdownAction, CountdownState> {
  const reader = new SosReader(dialect, problem, text);
  reader.read();
  return { events: reader.events, eventSpans: reader.eventSpans, errors: reader.cursor.errors };
}
