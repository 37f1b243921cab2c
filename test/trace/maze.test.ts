import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, Rng } from "../../src/lib/rng.ts";
import { type MazeAction, type MazeCell, maze } from "../../src/puzzle/maze.ts";
import type { SearchEvent } from "../../src/solver/events.ts";
import { solve } from "../../src/solver/registry.ts";
import { solverSettings } from "../../src/solver/settings.ts";
import { mazeAStar } from "../../src/trace/formats/mazeAStar.ts";
import { mazePath } from "../../src/trace/formats/mazePath.ts";
import { expectTextLaws } from "../check/expectLaws.ts";

type Event = SearchEvent<MazeAction, MazeCell>;
const formats = [mazeAStar, mazePath];
const seed = deriveSeed(3, "maze formats");
/** Rows from the top: `.G` over `S#`. */
const corner = maze.readProblem({ puzzle: "maze", width: 2, height: 2, walls: [[1, 0]], start: [0, 0], goal: [1, 1] });
const searched = (settings: object, problem = corner, index = 0) => [
  ...solve(maze, problem, solverSettings.parse(settings), Rng.indexed(seed, index)),
];

const cornerText = [
  "create 0 0 c0 c2",
  "close 0 0 c0 c2",
  "create 0 1 c1 c1",
  "close 0 1 c1 c1",
  "create 1 1 c2 c0",
  "close 1 1 c2 c0",
  "plan 0 0",
  "plan 0 1",
  "plan 1 1",
  "",
].join("\n");
const made = (node: number, from: MazeCell, to: MazeCell): Event => ({
  kind: "generate",
  node,
  parent: node - 1,
  action: { from, to },
});
const cornerEvents: Event[] = [
  { kind: "expand", node: 0 },
  made(1, [0, 0], [0, 1]),
  { kind: "expand", node: 1 },
  made(2, [0, 1], [1, 1]),
  { kind: "expand", node: 2 },
  { kind: "goal", node: 2 },
  {
    kind: "answer",
    path: [
      [0, 0],
      [0, 1],
      [1, 1],
    ],
  },
];

describe("a maze worked out by hand", () => {
  it("is written by the A* solver line by line and read back", () => {
    const rendered = mazeAStar.render(corner, searched({ kind: "astar" }));
    expect(rendered.text).toBe(cornerText);
    expect(mazeAStar.parse(corner, cornerText)).toEqual({ events: cornerEvents, eventSpans: rendered.eventSpans, errors: [] });
    const places = rendered.eventSpans.map(([from, to]) => cornerText.slice(from, to));
    expect(places[1]).toBe("create 0 1 c1 c1\n");
    expect(places.slice(-2)).toEqual(["plan", " 0 0\nplan 0 1\nplan 1 1\n"]);
  });

  it("path tells the plan alone", () => {
    expect(mazePath.render(corner, searched({ kind: "optimal" })).text).toBe("plan 0 0\nplan 0 1\nplan 1 1\n");
    expect(mazePath.parse(corner, "plan 0 0\nplan 0 1\n").events).toEqual([
      made(1, [0, 0], [0, 1]),
      { kind: "visit", node: 1 },
      { kind: "goal", node: 1 },
    ]);
    expect(mazePath.parse(corner, "plan 0 1\n").events[0]).toEqual({ kind: "jump", node: 1, state: [0, 1] });
  });

  it("has size, start, goal and walls as its prompt", () => {
    const prompt = "size 2 2\nstart 0 0\ngoal 1 1\nwall 1 0\n";
    for (const format of formats) {
      expect(format.prompt(corner)).toBe(prompt);
      expect(format.readPrompt(`${prompt}create 0 0`)).toEqual({ problem: corner, length: prompt.length });
      for (const wrong of [
        "",
        prompt.slice(9),
        prompt.replace("start 0 0", "start 1 0"),
        prompt.replace("size 2", "size 02"),
      ]) {
        expect(format.readPrompt(wrong)).toBeUndefined();
      }
    }
  });
});

describe("searches", () => {
  it("A* loses nothing but visits, and the goal is closed", () => {
    for (let index = 0; index < 20; index++) {
      const problem = maze.generate(Rng.indexed(seed, index), maze.readOptions({ kind: "maze" }));
      const trace = searched({ kind: "astar" }, problem);
      const goal = trace.findIndex(({ kind }) => kind === "goal");
      const closed = trace.toSpliced(goal, 0, { kind: "expand", node: (trace[goal] as { node: number }).node });
      expect(mazeAStar.project(problem, trace)).toEqual(closed.filter(({ kind }) => kind !== "visit"));
    }
  });

  it("a trace that is not there has no text, and one that never ends has no plan", () => {
    expect(mazeAStar.render(corner, []).text).toBe("");
    expect(mazeAStar.parse(corner, "")).toEqual({ events: [], eventSpans: [], errors: [] });
    expect(mazeAStar.render(corner, searched({ kind: "astar", maxNodes: 1 })).text).toBe(
      cornerText.split("\n").slice(0, 4).join("\n").concat("\n"),
    );
    expect(mazePath.render(corner, searched({ kind: "astar", maxNodes: 1 })).text).toBe("");
  });
});

describe("texts of models", () => {
  const errorsOf = (text: string) => mazeAStar.parse(corner, text).errors;

  it.each([
    ["c1 c1\nclose", "c2 c1\nclose", /the cost of \[0,1\] is 1 here, not 2/, 1],
    ["create 1 1 c2 c0", "create 1 1 c2 c1", /the distance of \[1,1\] to the goal is 0, not 1/, 3],
    ["close 1 1 c2 c0", "close 1 1 c3 c0", /the cost of \[1,1\] is 2 here, not 3/, 4],
    ["create 0 0 c0 c2", "create 0 0 c1 c3", /cost .* is 0 here, not 1; the distance .* is 2, not 3/, 0],
  ])("%j written %j is an error of kind state, and reading goes on", (right, wrong, message, event) => {
    const text = cornerText.replace(right, wrong);
    const [first] = errorsOf(text);
    expect(first).toMatchObject({ kind: "state", event });
    expect(first?.message).toMatch(message);
    expect(text.slice(...(first?.span ?? []))).toBe(`${text.slice(first?.span[0]).split("\n")[0]}\n`);
    expect(mazeAStar.parse(corner, text).events.at(-1)?.kind).toBe("answer");
  });

  it("later lines are judged by a wrong cost that was written, not by the true one", () => {
    const shifted = cornerText
      .replace("create 0 1 c1", "create 0 1 c2")
      .replace("close 0 1 c1", "close 0 1 c2")
      .replaceAll("1 1 c2", "1 1 c3");
    expect(errorsOf(shifted)).toHaveLength(1);
  });

  it("texts of any length are read", () => {
    const text = `create 0 0 c0 c2\nclose 0 0 c0 c2\n${"create 0 1 c1 c1\n".repeat(150_000)}${"plan 0 0\n".repeat(150_000)}`;
    const { events, errors } = mazeAStar.parse(corner, text);
    expect(errors).toEqual([]);
    expect(events).toHaveLength(150_003);
    expect(mazeAStar.render(corner, events).text).toBe(text);
  });

  it("a cell closed without being created is a jump, in its place", () => {
    const text = "create 0 0 c0 c2\nclose 0 1 c1 c1\n";
    expect(mazeAStar.parse(corner, text)).toEqual({
      events: [
        { kind: "jump", node: 1, state: [0, 1] },
        { kind: "expand", node: 1 },
      ],
      eventSpans: [
        [17, 33],
        [33, 33],
      ],
      errors: [],
    });
    expectTextLaws(mazeAStar, corner, text);
  });

  it.each([
    ["a start that is not created", "close 0 0 c0 c2\n", [0, 16], /expected "create 0 0/],
    ["another cell created first", "create 0 1 c0 c1\n", [0, 17], /the start/],
    ["a start and nothing more", "create 0 0 c0 c2\n", [0, 17], /what follows it: "close/],
    ["a child without a closed node", "create 0 0 c0 c2\ncreate 0 1 c1 c1\n", [17, 34], /expected "close/],
    ["a plan without a closed node", "create 0 0 c0 c2\nplan 0 0\n", [17, 26], /expected "close/],
    [
      "a search that goes on after the plan",
      `${cornerText}close 0 0 c0 c2\n`,
      [cornerText.length, cornerText.length + 16],
      /expected "plan/,
    ],
    ["a line cut off", cornerText.slice(0, 30), [17, 30], /cut off/],
    ["a leading zero", "create 0 0 c00 c2\n", [0, 18], /expected/],
    ["a blank too many", "create 0 0  c0 c2\n", [0, 18], /expected/],
  ])("%s", (_name, text, span, message) => {
    const errors = errorsOf(text);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.kind).toBeUndefined();
    expect(errors[0]?.span).toEqual(span);
    expect(errors[0]?.message).toMatch(message);
    expectTextLaws(mazeAStar, corner, text);
  });

  it.each(formats.map((format) => [format.name, format] as const))(
    "laws of %s over lines in any order and over any text",
    (_name, format) => {
      const line = fc.constantFrom(
        ...cornerText.split("\n").map((text) => `${text}\n`),
        "create 0 1 c3 c1\n",
        "close 1 0 c1 c1\n",
        "close 5 5 c9 c8\n",
        "plan",
        "x",
      );
      const likely = fc.array(line, { maxLength: 10 }).map((lines) => `create 0 0 c0 c2\nclose 0 0 c0 c2\n${lines.join("")}`);
      const cut = fc.tuple(fc.nat(200), fc.nat(200)).map(([to, from]) => cornerText.slice(0, to) + cornerText.slice(from));
      fc.assert(
        fc.property(
          fc.oneof(
            likely,
            cut,
            fc.array(line).map((lines) => lines.join("")),
            fc.string({ unit: "binary" }),
          ),
          (text) => expectTextLaws(format, corner, text),
        ),
        {
          numRuns: 300,
        },
      );
    },
  );
});
