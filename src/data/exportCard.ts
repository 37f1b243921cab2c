// The data card of an export (README.md): what the Hub reads in the YAML head, and what a person needs below it. Pure text.
import { stringify } from "yaml";
import type { ExportTarget } from "./exportTargets.ts";

/** A file that an export wrote. */
export interface CardFile {
  readonly path: string;
  readonly split: string;
  readonly config: "default" | "problems";
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface CardFacts {
  /** The dataset folder's own name, without the path to it. */
  readonly name: string;
  readonly target: ExportTarget;
  /** Version of this program. */
  readonly version: string;
  /** An identifier that the Hub knows ("mit", "cc-by-4.0"); undefined when the user chose none. */
  readonly license?: string;
  /** The dataset's manifest; empty where it has none. */
  readonly manifest: object;
  readonly files: readonly CardFile[];
  /** Training examples by what they are: format -> origin -> count. */
  readonly origins: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Training examples of which a part of the response, or the end of text, is not trained on. */
  readonly masked: number;
}

const papers: Readonly<Record<string, string>> = {
  "self-backtracking":
    "Step Back to Leap Forward: Self-Backtracking for Boosting Reasoning of Language Models, arXiv:2502.04404",
  sos: "Stream of Search (SoS): Learning to Search in Language, arXiv:2404.03683",
  think: "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning, arXiv:2504.07052",
  sudoku: "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning, arXiv:2504.07052",
  "sudoku-path": "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning, arXiv:2504.07052",
  astar: "Beyond A*: Better Planning with Transformers via Search Dynamics Bootstrapping, arXiv:2402.14083",
  revision: "Towards System 2 Reasoning in LLMs: Learning How to Think With Meta Chain-of-Thought, arXiv:2501.04682",
};

/** The whole text of README.md. */
export function dataCard(facts: CardFacts): string {
  const formats = Object.keys(facts.origins);
  const cited = new Set(formats.flatMap((format) => (Object.hasOwn(papers, format) ? [papers[format] as string] : [])));
  const parts = [
    `---\n${stringify(cardHead(facts))}---`,
    `# ${facts.name}`,
    `Problems and symbolic search traces, made with Backtrail ${facts.version} (\`backtrail data export --to ${facts.target}\`).`,
    facts.license === undefined
      ? "No licence was chosen when this was exported: set `license` in the head of this file before you publish it."
      : "",
    `## Splits\n\n${table(
      ["file", "split", "rows", "bytes", "SHA-256"],
      facts.files.map(({ path, split, rows, bytes, sha256 }) => [path, split, rows, bytes, sha256]),
    )}`,
    `## Training examples\n\n${table(["format", "origin", "examples"], originRows(facts))}`,
    `## How to read it\n\n${reading[facts.target]}${maskNote(facts)}`,
    `## What made it\n\n\`\`\`json\n${JSON.stringify(settingsOf(facts.manifest), null, 2)}\n\`\`\``,
    `## How to cite\n\nName Backtrail ${facts.version} and the settings above${cited.size === 0 ? "." : `, and the work that the data follows:\n\n${[...cited].map((paper) => `- ${paper}`).join("\n")}`}`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** What the Hub's viewer and `datasets.load_dataset` read. Splits of other columns stand in a configuration of their own. */
function cardHead({ name, license, files }: CardFacts): object {
  const configs = (["default", "problems"] as const).flatMap((config) => {
    const own = files.filter((file) => file.config === config);
    const splits = [...new Set(own.map(({ split }) => split))];
    const data_files = splits.map((split) => ({
      split: splitId(split),
      path: own.filter((file) => file.split === split).map(({ path }) => path),
    }));
    return own.length === 0 ? [] : [{ config_name: config, data_files }];
  });
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  return {
    pretty_name: name,
    license: license ?? "unknown",
    language: ["en"],
    task_categories: ["text-generation"],
    tags: ["reasoning", "search", "synthetic", "backtracking"],
    size_categories: [sizeCategory(rows)],
    configs,
  };
}

/** The Hub allows letters, digits, dots and underscores in the name of a split. */
function splitId(split: string): string {
  return split.replace(/[^\w.]/g, "_");
}

function sizeCategory(rows: number): string {
  const bounds = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
  const names = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M"];
  return names[bounds.findIndex((bound) => rows < bound)] ?? "n>100M";
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function originRows({ origins }: CardFacts): (string | number)[][] {
  return Object.entries(origins).flatMap(([format, counts]) =>
    Object.entries(counts).map(([origin, count]) => [format, origin, count]),
  );
}

/** The manifest without what the table of files says. */
function settingsOf(manifest: CardFacts["manifest"]): object {
  return Object.fromEntries(Object.entries(manifest).filter(([key]) => !["shards", "tests", "files"].includes(key)));
}

const reading: Readonly<Record<ExportTarget, string>> = {
  trl: "`prompt` and `completion`, TRL's prompt-completion kind; TRL appends the end of text. Test files hold prompts alone.",
  axolotl:
    "`segments`, axolotl's template-free kind (`type: input_output`): `label` says whether a piece is trained on. A segment of its own holds the end of text where `--end-of-text` named it; without it, add one.",
  sos: "The field names of Stream of Search. Validation rows hold the first line of `search_path` alone, which is what the published evaluation prompts with.",
  "self-backtracking":
    "The field names of `yangxw/countdown-backtracking`. Validation rows hold no search path; the seen targets come first, then the held-out ones.",
  parquet:
    "`pandas.read_parquet`, or `datasets.load_dataset` on this folder. `problem` is JSON text; `spans` are the ranges of `response`, in UTF-16 units, that are trained on; `trainEnd` says whether the end of text is. Test problems are the configuration `problems`.",
};

/** What is lost where a target has no word for masks. The published trainer of Self-Backtracking masks by itself. */
function maskNote({ target, masked }: CardFacts): string {
  if (masked === 0 || target === "axolotl" || target === "parquet" || target === "self-backtracking") return "";
  return `\n\nMind: ${masked} examples train on a part of their response only (a wrong step is not to be learned). This file cannot say so: who trains on it trains on all of it. The targets axolotl and parquet keep the mask.`;
}
