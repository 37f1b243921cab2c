// Writes a search as Stream of Search text: what is kept of a trace, and its lines.
import { type CountdownProblem, type CountdownState, equation } from "../../puzzle/countdown.ts";
import type { NodeId, Trace } from "../../solver/events.ts";
import type { Rendered, Span } from "../format.ts";
import { exploringLine, generatedLine, lostPairLine, movingLine, verdictLine, words } from "./sosLines.ts";
import {
  isAncestor,
  listedAfter,
  operationsTo,
  plainAction,
  type SosAction,
  type SosDialect,
  type SosEvent,
  type SosJump,
  type SosNode,
  SosTree,
} from "./sosTree.ts";

/** The events of a trace that a text keeps, each with its lines. */
interface Written {
  readonly events: readonly SosEvent[];
  readonly lines: readonly string[];
}

type Event = Trace<SosAction, CountdownState>[number];

/** What a trace declares of its nodes. */
interface Declared {
  readonly goals: ReadonlySet<NodeId>;
  readonly dead: ReadonlySet<NodeId>;
  /** Declared dead before the search ever moved to them. */
  readonly deadUnseen: ReadonlySet<NodeId>;
}

function declaredIn(trace: Trace<SosAction, CountdownState>): Declared {
  const [goals, dead, deadUnseen, seen] = [new Set<NodeId>(), new Set<NodeId>(), new Set<NodeId>(), new Set<NodeId>()];
  for (const event of trace) {
    if (event.kind === "visit" || event.kind === "expand") seen.add(event.node);
    else if (event.kind === "generate") seen.add(event.parent);
    else if (event.kind === "goal") goals.add(event.node);
    else if (event.kind === "deadEnd") {
      dead.add(event.node);
      if (!seen.has(event.node)) deadUnseen.add(event.node);
    }
  }
  return { goals, dead, deadUnseen };
}

/** One walk over a trace. */
class SosWriter {
  readonly events: SosEvent[] = [];
  readonly lines: string[] = [];
  readonly #dialect: SosDialect;
  readonly #tree: SosTree;
  readonly #nodes: Map<NodeId, SosNode>;
  readonly #declared: Declared;
  /** Nodes of the trace whose verdict has come up. */
  readonly #told = new Set<NodeId>();
  readonly #leaves = new Set<SosNode>();
  /** The node whose state line was the last. */
  #here: SosNode;
  /** Where the search stands: there, or at a child that got its verdict without a move. */
  #stands: SosNode;

  constructor(dialect: SosDialect, problem: CountdownProblem, trace: Trace<SosAction, CountdownState>) {
    this.#dialect = dialect;
    this.#tree = new SosTree(problem);
    this.#here = this.#stands = this.#tree.root;
    this.#nodes = new Map([[0, this.#tree.root]]);
    this.#declared = declaredIn(trace);
  }

  /** Takes in one event; returns whether the text goes on. */
  take(event: Event): boolean {
    if (event.kind === "generate") return this.#generate(event);
    if (event.kind === "jump") this.#jump(event);
    else if (event.kind === "backtrack") this.#move(this.#node(event.to));
    else if (event.kind === "visit") this.#visit(event.node);
    else if (event.kind === "goal" || event.kind === "deadEnd") {
      this.#told.add(event.node);
      if (event.kind === "deadEnd" && event.node === 0 && this.#dialect.ending) {
        this.#write({ kind: "deadEnd", node: 0 }, words.ending);
        return false;
      }
    }
    return true;
  }

  #write(event: SosEvent, ...lines: string[]): void {
    this.events.push(event);
    this.lines.push(lines.join("\n"));
  }

  #node(id: NodeId): SosNode {
    const node = this.#nodes.get(id);
    if (!node) throw new Error(`trace: node ${id} was never generated`);
    return node;
  }

  #generate({ node, parent: parentId, action }: Extract<Event, { kind: "generate" }>): boolean {
    const { target } = this.#tree;
    const parent = this.#node(parentId);
    if (this.#tree.namesake(parent) !== this.#here) this.#move(parent);
    const here = this.#here;
    const plain = plainAction(here.pool, action);
    const pool = plain.shown ?? listedAfter(here.pool, plain);
    const verdict = this.#verdict(node, pool);
    const label = this.#tree.childLabel(here, verdict === undefined);
    const operation = equation(plain);
    const born = { parent: here, label, pool, before: operationsTo(here), operation };
    const child = this.#tree.add(born, verdict === undefined);
    this.#nodes.set(node, child);
    const exploring = exploringLine(plain, pool);
    const generate = { kind: "generate", node: child.id, parent: here.id, action: plain } as const;
    if (verdict === undefined) {
      this.#write(generate, exploring, generatedLine(label, target, pool, operation));
      return true;
    }
    this.#write(generate, exploring);
    this.#write(
      { kind: verdict, node: child.id },
      pool.length === 1 ? verdictLine(pool[0] as number, target, verdict === "goal") : lostPairLine(pool),
    );
    if (pool.length === 1) this.#leaves.add(child);
    this.#stands = child;
    return verdict !== "goal";
  }

  /** The verdict that stands right behind a child; undefined: it is listed as a node to go to. */
  #verdict(node: NodeId, pool: readonly number[]): "goal" | "deadEnd" | undefined {
    const { goals, dead, deadUnseen } = this.#declared;
    if (pool.length === 1) {
      if (goals.has(node)) return "goal";
      return dead.has(node) || pool[0] !== this.#tree.target ? "deadEnd" : "goal";
    }
    return this.#dialect.pairs && pool.length === 2 && deadUnseen.has(node) ? "deadEnd" : undefined;
  }

  #visit(id: NodeId): void {
    const node = this.#node(id);
    // A leaf gets its verdict without a move; only a visit that comes after the verdict is one of its own.
    if (!this.#leaves.has(node) || this.#told.has(id)) this.#move(node);
  }

  #move(to: SosNode): void {
    const node = this.#tree.namesake(to);
    const up = isAncestor(node, this.#stands);
    this.#write(
      up ? { kind: "backtrack", from: this.#stands.id, to: node.id } : { kind: "visit", node: node.id },
      movingLine(node.label),
      this.#tree.stateLine(node),
    );
    this.#here = this.#stands = node;
  }

  #jump(event: Extract<Event, { kind: "jump" }>): void {
    const { label, shown, operations } = jumpText(event);
    let fresh = label;
    while (this.#tree.latest(fresh)) fresh += ",0";
    const node = this.#tree.addJump(fresh, shown, operations);
    this.#nodes.set(event.node, node);
    this.#write(
      { kind: "jump", node: node.id, state: event.state, label: fresh, shown, operations },
      movingLine(fresh),
      this.#tree.stateLine(node),
    );
    this.#here = this.#stands = node;
  }
}

/** What a text says of a jump; another format's jump says no more than the state. */
function jumpText(event: Extract<Event, { kind: "jump" }>): Pick<SosJump, "label" | "shown" | "operations"> {
  return { label: `${event.node}`, shown: event.state, operations: [], ...(event as Partial<SosJump>) };
}

/**
 * What a text keeps of a trace, and its lines. Every move (visit, backtrack) is two lines, every child one or two; a move
 * that a trace leaves out before a child of another node is put in. A leaf has its verdict at once: the one that the trace
 * gives, however late; without one, whether it is the target. Dropped: expansions, first visits of leaves, dead ends
 * of nodes with numbers left (but a pair's, before any visit, where the dialect has it), goals with numbers left, the way
 * told at the end. Ends at the first goal, or at the root's dead end where the dialect has an ending.
 * Throws Error for a node that was never generated.
 */
export function written(dialect: SosDialect, problem: CountdownProblem, trace: Trace<SosAction, CountdownState>): Written {
  const writer = new SosWriter(dialect, problem, trace);
  for (const event of trace) if (!writer.take(event)) break;
  return writer;
}

/** Lines with newlines between them. The newline after a line belongs to the event before it. */
export function joined({ lines }: Written): Rendered {
  let from = 0;
  const eventSpans = lines.map((line, index): Span => {
    const to = from + line.length + (index < lines.length - 1 ? 1 : 0);
    const span: Span = [from, to];
    from = to;
    return span;
  });
  return { text: lines.join("\n"), eventSpans };
}
