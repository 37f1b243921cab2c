import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, Rng } from "../../src/lib/rng.ts";
import { type GraphAction, type GraphProblem, graph } from "../../src/puzzle/graph.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { solve } from "../../src/solver/registry.ts";
import { graphBfs, graphBfsArticle } from "../../src/trace/formats/graphBfs.ts";
import { graphPath } from "../../src/trace/formats/graphPath.ts";
import { expectTextLaws } from "../check/expectLaws.ts";

type Event = SearchEvent<GraphAction, number>;
const formats = [graphBfs, graphBfsArticle, graphPath];
const seed = deriveSeed(3, "graph formats");
const article = graph.readProblem({ puzzle: "graph", text: "1,3|2,4|1,2|0,1|0,2|3,4/0,4" });
const listed = (node: number, parent: number, from: number, to: number): Event => ({
  kind: "generate",
  node,
  parent,
  action: { from, to },
});
const bfsOf = (problem: GraphProblem) => [...solve(graph, problem, { kind: "bfs" }, Rng.indexed(seed, 0))];

/** What the worked case says: node 2 is listed by 0 (node 2) and again by 1 (node 3), and expanded as the first. */
const articleEvents: Event[] = [
  { kind: "expand", node: 0 },
  listed(1, 0, 0, 1),
  listed(2, 0, 0, 2),
  { kind: "expand", node: 1 },
  listed(3, 1, 1, 2),
  listed(4, 1, 1, 3),
  { kind: "expand", node: 2 },
  listed(5, 2, 2, 4),
  { kind: "goal", node: 5 },
  { kind: "traceback", path: [4, 2, 0] },
  { kind: "answer", path: [0, 2, 4] },
];

describe("the worked case", () => {
  it.each([
    [graphBfs, "<0,(1,2),1,(2,3),2,(4)-4,2,0>=0,2,4"],
    [graphBfsArticle, "<0,(1, 2),1,(2, 3),2,(4) - 4,2,0> 0,2,4"],
  ])("$name writes it to the letter and reads it back", (format, text) => {
    const rendered = format.render(article, bfsOf(article));
    expect(rendered.text).toBe(text);
    expect(format.parse(article, text)).toEqual({ events: articleEvents, eventSpans: rendered.eventSpans, errors: [] });
    const places = rendered.eventSpans.map(([from, to]) => text.slice(from, to));
    expect(places).toEqual(["0", "1", "2", "1", "2", "3", "2", "4", text.includes(" - ") ? " - " : "-", "4,2,0", "0,2,4"]);
  });

  it("path tells the way alone", () => {
    expect(graphPath.render(article, bfsOf(article)).text).toBe("0,2,4");
    expect(graphPath.parse(article, "0,2,4")).toEqual({
      events: [
        listed(1, 0, 0, 2),
        { kind: "visit", node: 1 },
        listed(2, 1, 2, 4),
        { kind: "visit", node: 2 },
        { kind: "goal", node: 2 },
      ],
      eventSpans: [
        [2, 3],
        [3, 3],
        [4, 5],
        [5, 5],
        [5, 5],
      ],
      errors: [],
    });
  });

  it.each(formats.map((format) => [format.name, format] as const))(
    "%s has the text form and = as its prompt",
    (_name, format) => {
      const prompt = "1,3|2,4|1,2|0,1|0,2|3,4/0,4=";
      expect(format.prompt(article)).toBe(prompt);
      expect(format.readPrompt(`${prompt}<0,(1`)).toEqual({ problem: article, length: prompt.length });
      for (const wrong of ["", "1,3/0,4", "1,3/4,4=", "01,3/0,4=", " 1,3/0,3=", "1,3|/0,3="]) {
        expect(format.readPrompt(wrong)).toBeUndefined();
      }
    },
  );
});

describe("searches", () => {
  it("an empty list is (), and a search without a goal ends after its last list", () => {
    const hopeless = graph.readProblem({ puzzle: "graph", text: "0,1|0,3|2,4/0,4" });
    expect(graphBfs.render(hopeless, bfsOf(hopeless)).text).toBe("<0,(1,3),1,(),3,()");
    expect(graphBfsArticle.render(hopeless, bfsOf(hopeless)).text).toBe("<0,(1, 3),1,(),3,()");
    expect(graphPath.render(hopeless, bfsOf(hopeless)).text).toBe("");
    expect(graphBfs.render(hopeless, []).text).toBe("");
  });

  it("depth-first search: children stand with their parent, expansions in their order", () => {
    // 0 -> 1, 2; 1 -> 3; 2 -> 4: DFS closes 1 and 3 before it comes to 2.
    const problem = graph.readProblem({ puzzle: "graph", text: "0,1|0,2|1,3|2,4/0,4" });
    const search = [...solve(graph, problem, { kind: "exhaustive" }, Rng.indexed(seed, 0))];
    expect(graphBfs.render(problem, search).text).toBe("<0,(1,2),1,(3),2,(4)-4,2,0>=0,2,4");
  });

  it("breadth-first search loses nothing but visits: numbers of nodes and ways stay", () => {
    for (let index = 0; index < 50; index++) {
      const problem = graph.generate(Rng.indexed(seed, index), graph.readOptions({ kind: "graph" }));
      const trace = bfsOf(problem);
      expect(graphBfs.project(problem, trace)).toEqual(trace.filter(({ kind }) => kind !== "visit"));
    }
  });
});

describe("a trace whose nodes come from nowhere", () => {
  it.each(formats.map((format) => [format.name, format] as const))("is refused by %s", (_name, format) => {
    expect(() => format.project(article, [{ kind: "goal", node: 3 }])).toThrowError(/node 3 was never generated/);
    expect(() => format.project(article, [listed(4, 2, 1, 2)])).toThrowError(/node 2 was never generated/);
  });
});

describe("texts of models", () => {
  const read = (text: string) => graphBfs.parse(article, text);

  it("a vertex expanded without being listed is a jump, in its place", () => {
    const { events, eventSpans, errors } = read("<0,(1),3,(4)-4,3,0>=0,3,4");
    expect(errors).toEqual([]);
    expect(events.slice(2, 4)).toEqual([
      { kind: "jump", node: 2, state: 3 },
      { kind: "expand", node: 2 },
    ]);
    expect(eventSpans.slice(2, 4)).toEqual([
      [7, 8],
      [8, 8],
    ]);
  });

  it("a goal that was never listed is a jump too", () => {
    const { events, eventSpans } = read("<0,(1,2)-4,2,0>=0,2,4");
    expect(events.slice(3, 5)).toEqual([
      { kind: "jump", node: 3, state: 4 },
      { kind: "goal", node: 3 },
    ]);
    expect(eventSpans.slice(3, 5)).toEqual([
      [8, 9],
      [9, 9],
    ]);
  });

  it("lists and ways of any length are read", () => {
    const many = Array.from({ length: 300_000 }, (_, index) => index);
    const text = `<0,(${many.join(",")})-${many.join(",")}>=${many.join(",")}`;
    const { events, errors } = read(text);
    expect(errors).toEqual([]);
    expect(events).toHaveLength(300_004);
    expect(graphBfs.render(article, events).text).toBe(text);
  });

  it("a vertex expanded twice is one node", () => {
    expect(read("<0,(1),0,(1)").events).toEqual([
      { kind: "expand", node: 0 },
      listed(1, 0, 0, 1),
      { kind: "expand", node: 0 },
      listed(2, 0, 0, 1),
    ]);
  });

  it("a path that begins elsewhere begins with a jump", () => {
    expect(graphPath.parse(article, "1,3").events).toEqual([
      { kind: "jump", node: 1, state: 1 },
      listed(2, 1, 1, 3),
      { kind: "visit", node: 2 },
      { kind: "goal", node: 2 },
    ]);
  });

  const whole = "<0,(1,2),1,(2,3)";
  it.each([
    ["cut off in a list", `${whole},2,(4`, 6, [16, 21], /cut off/],
    ["cut off before a list", `${whole},2`, 6, [16, 18], /cut off/],
    ["cut off in the way back", `${whole}-4,2`, 6, [16, 20], /cut off.*">="/],
    ["cut off before the way", `${whole}-4,2,0>=`, 6, [16, 24], /cut off/],
    ["cut off at its beginning", "<", 0, [0, 1], /cut off/],
    ["cut off after a comma of the way", "<0,(1)-1>=0,", 5, [11, 12], /vertex/],
    ["a blank", "<0,(1, 2)", 0, [5, 9], /expected a vertex after ","|"\)"/],
    ["a leading zero", "<0,(01)", 0, [4, 7], /leading zeros/],
    ["a number of seven digits", "<0,(1234567)", 0, [4, 12], /999999/],
    ["no way back", `${whole}->=0`, 6, [17, 20], /vertex/],
    ["something before it", " <0,(1)", 0, [0, 7], /expected "<"/],
    ["something after it", "<0,(1)-1,0>=0,1\n", 5, [15, 16], /expected the end/],
  ])("%s", (_name, text, events, span, message) => {
    const parsed = read(text);
    expect(parsed.events).toHaveLength(events);
    expect(parsed.errors).toHaveLength(1);
    expect(parsed.errors[0]?.span).toEqual(span);
    expect(parsed.errors[0]?.message).toMatch(message);
    expectTextLaws(graphBfs, article, text);
  });

  it.each(formats.map((format) => [format.name, format] as const))(
    "laws of %s over texts of its pieces and over any text",
    (_name, format) => {
      const piece = fc.constantFrom(
        "<",
        "0,(",
        "1,",
        "2",
        ")",
        "),",
        "(4)",
        "-",
        " - ",
        ">=",
        "> ",
        ",",
        "4,2,0",
        "x",
        "7",
        ", ",
        "=",
      );
      const likely = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(""));
      const mutant = fc.tuple(fc.nat(60), fc.nat(6), fc.nat(20), piece).map(([index, at, cut, put]) => {
        const { text } = format.render(article, bfsOf(article));
        const from = (index + at) % (text.length + 1);
        return text.slice(0, from) + put + text.slice(from + (cut % 4));
      });
      fc.assert(
        fc.property(fc.oneof(likely, mutant, fc.string({ unit: "binary" })), (text) => expectTextLaws(format, article, text)),
        {
          numRuns: 300,
        },
      );
    },
  );
});
