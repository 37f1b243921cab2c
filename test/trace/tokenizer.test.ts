import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { selfBacktracking } from "../../src/trace/formats/selfBacktracking.ts";
import { tokenizerConfigJson, tokenizerJson, tokenList } from "../../src/trace/tokenizer.ts";

const python = process.env.BACKTRAIL_PYTHON || ".venv/bin/python";
const prompt = selfBacktracking.prompt({ puzzle: "countdown", numbers: [45, 39, 2, 10], target: 62 });
const texts = [
  `${prompt}45-39=6\n10*6=60\n2+60=62\nGoal Reached!`,
  `${prompt}45-39=6\n39+6=45\n<backtrack>`,
  "2-10=-8\n116/32=3\n",
  "1+2=3\nHm! 4\u00e9\ud83d\ude00\n",
  "",
];

const script = `
import json, sys
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast
folder, texts = sys.argv[1], json.loads(sys.argv[2])
plain = Tokenizer.from_file(folder + "/tokenizer.json")
auto = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
assert isinstance(auto, PreTrainedTokenizerFast), type(auto)
rows = []
for text in texts:
    a, b = plain.encode(text), auto(text)
    assert a.ids == b["input_ids"], text
    rows.append({"tokens": a.tokens, "ids": a.ids, "offsets": a.offsets, "decoded": auto.decode(a.ids, skip_special_tokens=False),
                 "bare": auto.decode(a.ids, skip_special_tokens=True)})
print(json.dumps({"rows": rows, "pad": auto.pad_token_id, "eos": auto.eos_token_id, "unk": auto.unk_token_id, "size": len(auto),
                  "backtrack": auto.convert_tokens_to_ids("<backtrack>")}))
`;

interface Row {
  tokens: string[];
  ids: number[];
  offsets: [number, number][];
  decoded: string;
  bare: string;
}

describe("the tokenizer derived from a vocabulary, as the Python libraries read it", () => {
  const folder = mkdtempSync(join(tmpdir(), "backtrail-tokenizer-"));
  let answer: { rows: Row[]; pad: number; eos: number; unk: number; size: number; backtrack: number };
  const row = (index: number): Row => answer.rows[index] as Row;

  // Without Python this fails: a tokenizer that nobody has loaded is not tested.
  beforeAll(() => {
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizerJson(selfBacktracking.vocabulary)));
    writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfigJson(selfBacktracking.vocabulary)));
    const environment = { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_VERBOSITY: "error" };
    answer = JSON.parse(
      execFileSync(python, ["-c", script, folder, JSON.stringify(texts)], { encoding: "utf8", env: environment }),
    );
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("restores every text of the format", () => {
    for (const index of [0, 1, 2, 4]) expect(row(index).decoded).toBe(texts[index]);
  });

  it("cuts a text into its pieces, single digits, the backtrack mark as one token", () => {
    const sep = ", ";
    expect(row(1).tokens).toEqual([
      ...[
        "###Question: numbers [",
        "4",
        "5",
        sep,
        "3",
        "9",
        sep,
        "2",
        sep,
        "1",
        "0",
        "]->target ",
        "6",
        "2",
        "\n###Response:\n",
      ],
      ...["4", "5", "-", "3", "9", "=", "6", "\n", "3", "9", "+", "6", "=", "4", "5", "\n", "<backtrack>"],
    ]);
    expect(row(0).tokens.at(-1)).toBe("Goal Reached!");
    expect(row(1).bare).toBe((texts[1] as string).replace("<backtrack>", ""));
  });

  it("gives offsets that tile the text", () => {
    for (const [index, text] of texts.slice(0, 3).entries()) {
      const { offsets, tokens } = row(index);
      expect(offsets.map(([from, to]) => text.slice(from, to))).toEqual(tokens);
    }
  });

  it("makes each character that belongs to no piece one <unk>", () => {
    const unknown = "<unk>";
    expect(row(3).tokens).toEqual([
      "1",
      "+",
      "2",
      "=",
      "3",
      "\n",
      unknown,
      unknown,
      unknown,
      unknown,
      "4",
      unknown,
      unknown,
      "\n",
    ]);
  });

  it("numbers the control tokens first, then the marks, then the pieces", () => {
    expect(answer).toMatchObject({ pad: 0, eos: 1, unk: 2, backtrack: 3, size: tokenList(selfBacktracking.vocabulary).length });
    expect(tokenList(selfBacktracking.vocabulary).slice(0, 5)).toEqual([
      "<pad>",
      "<eos>",
      "<unk>",
      "<backtrack>",
      "###Question: numbers [",
    ]);
    expect(row(4).ids).toEqual([]);
  });

  it("refuses a vocabulary that names a piece twice", () => {
    expect(() => tokenList({ pieces: ["a", "b", "a"], special: [] })).toThrowError(/"a" is empty or there twice/);
  });
});
