// The mock's token store: really reads shards, checks digests, tokenises, and derives masks and lint from the spans.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { sha256 } from "../../lib/hash.ts";
import type { MaskLint, Params } from "../../protocol/primitives.ts";
import type { MockModel } from "./checkpoint.ts";
import { JobError } from "./jobError.ts";

/** What a row of a shard needs for training; its other fields are not read. */
const row = z.object({
  prompt: z.string(),
  response: z.string(),
  spans: z.array(z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()])),
  trainEnd: z.boolean(),
  format: z.string().optional(),
});
type Row = z.infer<typeof row>;

export interface MockRow {
  readonly length: number;
  /** Trained tokens. */
  readonly trained: number;
  /** A number in [0, 1) that depends on the row's text: what the fake loss hangs on. */
  readonly flavour: number;
  readonly holdsAddedToken: boolean;
}

export interface MockDataset {
  readonly rows: readonly MockRow[];
  readonly overlong: number;
  readonly lint: MaskLint;
  /** Name of the format that its first row says it is in: what an oracle trained on it will write. */
  readonly format: string | undefined;
}

interface Tokenised {
  readonly tokens: readonly number[];
  readonly mask: readonly boolean[];
  readonly text: string;
}

/**
 * One tokenisation of prompt + response, then the end token. A token is trained when it begins in the response and its
 * last character lies in a span.
 */
function tokenise(model: MockModel, example: Row): Tokenised {
  const text = example.prompt + example.response;
  const { tokens, ends } = model.tokenizer.encode(text);
  const shift = example.prompt.length;
  const mask = ends.map((end, index) => {
    const begin = index === 0 ? 0 : (ends[index - 1] as number);
    return begin >= shift && example.spans.some(([from, to]) => end > from + shift && end <= to + shift);
  });
  return { tokens: [...tokens, model.info.endToken], mask: [...mask, example.trainEnd], text };
}

async function readShard(shard: { path: string; sha256: string }): Promise<Row[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(shard.path);
  } catch (error) {
    throw new JobError(
      "digest",
      `shard ${shard.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const found = sha256(bytes);
  if (found !== shard.sha256)
    throw new JobError(
      "digest",
      `${shard.path} has sha256 ${found}, expected ${shard.sha256}: the file was changed after it was made`,
    );
  const lines = bytes.toString("utf8").split("\n");
  return lines.flatMap((line, index) => {
    if (line === "") return [];
    const parsed = row.safeParse(JSON.parse(line));
    if (parsed.success) return [parsed.data];
    throw new JobError(
      "bad-request",
      `${shard.path}:${index + 1}: ${parsed.error.issues[0]?.path.join(".") ?? ""} ${parsed.error.issues[0]?.message ?? ""}`,
    );
  });
}

export async function loadMockDataset(model: MockModel, params: Params<"load_dataset">): Promise<MockDataset> {
  const addedIds = new Set(Object.values(model.info.addedTokens));
  const lint = { rowsWithAddedToken: 0, rowsTrainingAddedToken: 0, rowsTrainingEnd: 0, rowsWithoutTrainedToken: 0 };
  const rows: MockRow[] = [];
  let overlong = 0;
  let format: string | undefined;
  for (const shard of params.shards) {
    for (const example of await readShard(shard)) {
      let { tokens, mask, text } = tokenise(model, example);
      format ??= example.format;
      if (tokens.length > params.maxTokens) {
        if (params.overlong === "refuse")
          throw new JobError(
            "too-long",
            `row ${rows.length} of ${params.dataset} has ${tokens.length} tokens, the limit is ${params.maxTokens}`,
          );
        overlong++;
        if (params.overlong === "drop") continue;
        tokens = tokens.slice(0, params.maxTokens);
        mask = mask.slice(0, params.maxTokens);
      }
      const trained = mask.filter(Boolean).length;
      const holds = tokens.some((token) => addedIds.has(token));
      if (holds) lint.rowsWithAddedToken++;
      if (tokens.some((token, index) => addedIds.has(token) && mask[index])) lint.rowsTrainingAddedToken++;
      if (mask.at(-1) && tokens.at(-1) === model.info.endToken) lint.rowsTrainingEnd++;
      if (trained === 0) lint.rowsWithoutTrainedToken++;
      const flavour = Number.parseInt(sha256(text).slice(0, 8), 16) / 0x100000000;
      rows.push({ length: tokens.length, trained, flavour, holdsAddedToken: holds });
    }
  }
  return { rows, overlong, lint, format };
}
