import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type GradeFlags, gradeCommand } from "../../src/cli/grade.ts";
import { lineBatches } from "../../src/cli/gradeLines.ts";

const plain: GradeFlags = { useAllNumbers: false };

/** What the command answers: parsed lines, the summary, the exit code. */
async function run(input: string | Uint8Array | readonly (string | Uint8Array)[], flags: Partial<GradeFlags> = {}) {
  let [out, err, drains] = ["", "", 0];
  const chunks = Array.isArray(input) ? input : [input];
  const code = await gradeCommand(
    {
      stdin: Readable.from(chunks as Iterable<string | Uint8Array>),
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      drained: async () => {
        drains++;
      },
    },
    { ...plain, ...flags },
  );
  const answers = out
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { answers, err, code, drains };
}

function line(numbers: number[], target: number, text: string, more: object = {}): string {
  return `${JSON.stringify({ problem: { puzzle: "countdown", numbers, target }, text, ...more })}\n`;
}
const good = line([4, 4, 2], 10, "4+4=8\n8+2=10\nGoal Reached!", { id: "good" });
const wrong = line([7, 2], 3, "7/2=3\nGoal Reached!", { id: 2 });

describe("answers", () => {
  it("stand in order, with ids; spans are those of the text as given", async () => {
    const prompt = "###Question: numbers [7, 2]->target 3\n###Response:\n";
    const { answers, code } = await run(good + wrong + line([7, 2], 3, `${prompt}7/2=3\nGoal Reached!`));
    expect(answers[0]).toEqual({
      id: "good",
      solved: true,
      reached: true,
      allUsed: true,
      errors: [],
      // The goal mark ends at character 26; states [4,4,2] [8,2] [10].
      stats: { steps: 2, backtracks: 0, deadEnds: 0, nodes: 3, mistakesBeforeSuccess: 0, charactersToGoal: 26 },
    });
    expect(answers[1]).toMatchObject({ id: 2, solved: false, errors: [{ kind: "arithmetic", span: [0, 5] }] });
    expect(answers[2]).toMatchObject({ errors: [{ kind: "arithmetic", span: [prompt.length, prompt.length + 5] }] });
    expect(answers[2]).not.toHaveProperty("id");
    expect(code).toBe(0);
  });

  it("are by the format that the line names, else the flag's, else the puzzle's first", async () => {
    const graph = (text: string, more: object = {}) =>
      `${JSON.stringify({ problem: { puzzle: "graph", text: "0,1|1,2/0,2" }, text, ...more })}\n`;
    const search = "<0,(1),1,(2)-2,1,0>=0,1,2";
    const { answers } = await run(graph(search) + graph("0,1,2", { format: "path" }) + good);
    expect(answers.map(({ solved }) => solved)).toEqual([true, true, true]);
    const flagged = await run(graph("0,1,2") + graph(search) + graph(search, { format: "bfs" }), { format: "path" });
    expect(flagged.answers.map(({ solved }) => solved)).toEqual([true, false, true]);
  });

  it("tell how much the text shares with a reference", async () => {
    const prompt = "###Question: numbers [4, 4, 2]->target 10\n###Response:\n";
    const reference = `${prompt}4+4=8\n8*2=16\n<backtrack>`;
    const { answers } = await run(line([4, 4, 2], 10, "4+4=8\n8+2=10\nGoal Reached!", { reference }) + good);
    // {4 4 2, 8 2, 10} and {4 4 2, 8 2, 16}.
    expect(answers[0]).toMatchObject({ solved: true, overlap: { jaccard: 2 / 4, alignment: 2 / 3 } });
    expect(answers[1]).not.toHaveProperty("overlap");
  });

  it("with --stats also tokens and the truth of each step back", async () => {
    const { answers } = await run(good + line([4, 4, 2], 10, "4*4=15\n<backtrack>"), { stats: true });
    // 4 + 4 = 8 newline, 8 + 2 = 1 0 newline, the mark: 6 + 7 + 1.
    expect(answers[0]).toMatchObject({ stats: { tokensToGoal: 14 } });
    expect(answers[1]).toMatchObject({ stats: { backtrackCalibration: { truePositives: 1, precision: 1 } } });
  });
});

describe("--compat", () => {
  it("puts the published verdicts beside the strict one and counts where they differ, and why", async () => {
    const twice = line([4, 4, 2], 10, "4+2=6\n6+4=10\nGoal Reached!");
    const { answers, err } = await run(good + wrong + wrong + twice, { compat: "sb,sos", json: true });
    expect(answers.map(({ solved, compat }) => ({ solved, compat }))).toEqual([
      { solved: true, compat: { sb: true, sos: false } },
      { solved: false, compat: { sb: true, sos: false } },
      { solved: false, compat: { sb: true, sos: false } },
      { solved: true, compat: { sb: false, sos: false } },
    ]);
    expect(JSON.parse(err)).toEqual({
      graded: 4,
      failed: 0,
      solved: 2,
      errors: { arithmetic: 2 },
      compat: {
        table: [
          { accepted: { strict: false, sb: true, sos: false }, texts: 2 },
          { accepted: { strict: true, sb: true, sos: false }, texts: 1 },
          { accepted: { strict: true, sb: false, sos: false }, texts: 1 },
        ],
        disagreements: [
          { scorer: "sos", says: "refuses", reason: "no goal line", texts: 2 },
          { scorer: "sb", says: "accepts", reason: "arithmetic", texts: 2 },
          { scorer: "sb", says: "refuses", reason: "unknown number", texts: 1 },
        ],
      },
    });
  });

  it("tells the same to people", async () => {
    const { err } = await run(good + wrong, { compat: "sb" });
    expect(err).toBe(
      [
        "2 graded, 1 solved (50.0%), 0 lines could not be graded",
        "texts by kind of error (a text may have several):",
        "          1  arithmetic",
        "texts by who accepts them:",
        "          1  strict yes  sb yes",
        "          1  strict no   sb yes",
        "where they differ from the strict grader:",
        "          1  sb accepts: strict finds arithmetic",
        "",
      ].join("\n"),
    );
  });

  it("refuses a scorer it does not know before it reads a line", async () => {
    await expect(run(good, { compat: "sos,sbx" })).rejects.toThrowError(/unknown scorer "sbx".*Did you mean sb/);
  });
});

describe("bad lines", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  it.each([
    ["no JSON", "no json", "json"],
    ["a list", "[1]", "line"],
    ["no text", `{"problem":{"puzzle":"countdown","numbers":[1,2],"target":3}}`, "line"],
    ["a text that is none", `{"problem":{},"text":{"toString":1}}`, "line"],
    [
      "a format that is none",
      `{"problem":{"puzzle":"countdown","numbers":[1,2],"target":3},"text":"","format":{"toString":1}}`,
      "line",
    ],
    [
      "a reference that is none",
      `{"problem":{"puzzle":"countdown","numbers":[1,2],"target":3},"text":"","reference":1}`,
      "line",
    ],
    [
      "an unknown format",
      `{"problem":{"puzzle":"countdown","numbers":[1,2],"target":3},"text":"","format":"sb"}`,
      "format-unknown",
    ],
    ["an unknown puzzle", `{"problem":{"puzzle":"chess"},"text":""}`, "puzzle-unknown"],
    ["a wrong problem", `{"problem":{"puzzle":"countdown","numbers":"12","target":3},"text":""}`, "problem"],
    ["an id that is a list", `{"id":[],"problem":{"puzzle":"countdown","numbers":[1,2],"target":3},"text":""}`, "line"],
    ["an id that JSON would change", `{"id":12345678901234567890,"problem":{"puzzle":"countdown"},"text":""}`, "line"],
    ["an id beyond all numbers", `{"id":1e400,"problem":{"puzzle":"countdown"},"text":""}`, "line"],
    ["an id that is a fraction", `{"id":0.12345678901234567890,"problem":{"puzzle":"countdown"},"text":""}`, "line"],
    ["NUL", "\u0000", "json"],
    ["a deep text", `{"text":${nested(200_000)}}`, "line"],
    ["a deep problem", `{"text":"","problem":${nested(200_000)}}`, "line"],
    ["a deep id", `{"id":${nested(200_000)}}`, "line"],
    ["a deep line", nested(200_000), "line"],
  ])("%s gets an error, and the rest goes on", async (_name, bad, code) => {
    const { answers, code: exit, err } = await run(`${bad}\n${good}`);
    expect(answers).toMatchObject([{ error: { code } }, { id: "good", solved: true }]);
    expect(exit).toBe(2);
    expect(err).toMatch(/^1 graded, 1 solved \(100.0%\), 1 lines could not be graded\n/);
  });

  it("bytes that are not UTF-8, lone surrogates and blank lines do not stop it", async () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xfe, 0x0a, 0x0a, 0x20, 0x0d, 0x0a]), Buffer.from(good)]);
    expect((await run(bytes)).answers).toMatchObject([{ error: { code: "json" } }, { id: "good" }]);
    const surrogate = line([1, 2], 3, "x", { id: "\ud800" });
    expect((await run(surrogate)).answers).toMatchObject([{ id: "\ud800", errors: [{ kind: "format" }] }]);
  });

  it("a text of ten million characters is answered", async () => {
    const { answers } = await run(line([1, 2], 3, "9".repeat(10_000_000)) + good);
    expect(answers).toMatchObject([{ errors: [{ kind: "format" }] }, { id: "good" }]);
  });
});

describe("the stream", () => {
  it("may be cut anywhere, inside characters too, and lack its last newline", async () => {
    const bytes = Buffer.from(line([1, 2], 3, "é😀", { id: "ü😀" }) + good.trimEnd());
    for (let at = 0; at <= bytes.length; at++) {
      const { answers } = await run([bytes.subarray(0, at), bytes.subarray(at)]);
      expect(answers).toMatchObject([{ id: "ü😀" }, { id: "good" }]);
    }
  });

  it("answers what it was given before it asks for more", async () => {
    let seen = 0;
    const answered: number[] = [];
    async function* input() {
      for (let chunk = 0; chunk < 3; chunk++) {
        answered.push(seen);
        yield Buffer.from(good + wrong);
      }
    }
    const out = (text: string) => {
      seen += text.split("\n").length - 1;
    };
    await gradeCommand({ stdin: input(), out, err: () => undefined, drained: async () => undefined }, plain);
    expect(answered).toEqual([0, 2, 4]);
  });

  it("waits for a slow reader: writes are as large as a batch, and each is awaited", async () => {
    let waiting = 0;
    let most = 0;
    const drained = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      waiting = 0;
    };
    const out = (text: string) => {
      waiting += text.length;
      most = Math.max(most, waiting);
    };
    // Each line's answer is about 20 times as long as the line.
    const many = line([1, 2], 3, "9+9=1\n".repeat(500)).repeat(100);
    await gradeCommand({ stdin: Readable.from([Buffer.from(many)]), out, err: () => undefined, drained }, plain);
    expect(most).toBeLessThan(2 ** 21);
  });

  it("skips a line beyond the limit without keeping it", async () => {
    const lines: unknown[] = [];
    const input = ["aaaa", "bbbbbb\ncc\n", "dddddddd", "d\n", "ee"].map((text) => Buffer.from(text));
    for await (const batch of lineBatches(Readable.from(input), 8)) lines.push(...batch);
    expect(lines).toEqual([{ tooLong: 10 }, "cc", { tooLong: 9 }, "ee"]);
  });
});
