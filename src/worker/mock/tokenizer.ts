// The mock's tokenizer: WordLevel pieces of a tokenizer.json, longest match first. Knows nothing of models or files.
import { z } from "zod";
import { JobError } from "./jobError.ts";

const tokenizerFile = z.object({
  model: z.object({
    type: z.literal("WordLevel"),
    vocab: z.record(z.string(), z.number().int().nonnegative()),
    unk_token: z.string().optional(),
  }),
  added_tokens: z.array(z.object({ id: z.number().int().nonnegative(), content: z.string(), special: z.boolean() })),
});
export type TokenizerFile = z.infer<typeof tokenizerFile>;

export interface Encoded {
  readonly tokens: number[];
  /** UTF-16 end of each token in the text. */
  readonly ends: number[];
}

export class MockTokenizer {
  readonly #ids = new Map<string, number>();
  readonly #texts = new Map<number, string>();
  readonly #added = new Set<number>();
  /** Pieces by their first character, longest first. */
  readonly #byFirst = new Map<string, string[]>();
  readonly #unknown: number;

  constructor(json: unknown) {
    const parsed = tokenizerFile.safeParse(json);
    if (!parsed.success)
      throw new JobError(
        "bad-request",
        `tokenizer.json: the mock worker reads WordLevel tokenizers only: ${parsed.error.issues[0]?.message ?? ""}`,
      );
    const { model, added_tokens: added } = parsed.data;
    for (const [piece, id] of Object.entries(model.vocab)) this.#put(piece, id);
    for (const { content, id } of added) {
      this.#put(content, id);
      this.#added.add(id);
    }
    this.#unknown = this.#ids.get(model.unk_token ?? "<unk>") ?? 0;
    for (const piece of this.#ids.keys()) {
      const first = piece[0] as string;
      const list = this.#byFirst.get(first) ?? [];
      list.push(piece);
      this.#byFirst.set(first, list);
    }
    for (const list of this.#byFirst.values()) list.sort((a, b) => b.length - a.length);
  }

  #put(piece: string, id: number): void {
    this.#ids.set(piece, id);
    this.#texts.set(id, piece);
  }

  /** One more than the highest id. */
  get size(): number {
    return Math.max(...this.#texts.keys()) + 1;
  }
  id(piece: string): number | undefined {
    return this.#ids.get(piece);
  }
  /** What a token stands for; "" for an id that does not exist. */
  text(id: number): string {
    return this.#texts.get(id) ?? "";
  }

  encode(text: string): Encoded {
    const tokens: number[] = [];
    const ends: number[] = [];
    for (let at = 0; at < text.length; ) {
      const piece = this.#byFirst.get(text[at] as string)?.find((candidate) => text.startsWith(candidate, at));
      // A character of two units is one unknown, as in the tokenizers library.
      at += piece?.length ?? String.fromCodePoint(text.codePointAt(at) as number).length;
      tokens.push(piece === undefined ? this.#unknown : (this.#ids.get(piece) as number));
      ends.push(at);
    }
    return { tokens, ends };
  }

  decode(tokens: Iterable<number>): string {
    let text = "";
    for (const token of tokens) text += this.text(token);
    return text;
  }
}

/** tokenizer.json with one more token, or with the reserved token's content replaced. */
export function withToken(file: TokenizerFile, content: string, reserved: string | undefined): TokenizerFile {
  const { vocab } = file.model;
  if (vocab[content] !== undefined || file.added_tokens.some((token) => token.content === content)) return file;
  if (reserved !== undefined) {
    const id = vocab[reserved] ?? file.added_tokens.find((token) => token.content === reserved)?.id;
    if (id === undefined)
      throw new JobError("bad-request", `reservedTokens: the tokenizer has no token "${reserved}" to give to "${content}"`);
    const { [reserved]: _, ...others } = vocab;
    const added = file.added_tokens.filter((token) => token.id !== id);
    return {
      ...file,
      model: { ...file.model, vocab: { ...others, [content]: id } },
      added_tokens: [...added, { id, content, special: true }],
    };
  }
  const id = Math.max(...Object.values(vocab), ...file.added_tokens.map((token) => token.id)) + 1;
  return { ...file, added_tokens: [...file.added_tokens, { id, content, special: true }] };
}

/** Reads and checks; the fields that the mock does not use are kept away. */
export function readTokenizerFile(json: unknown): TokenizerFile {
  new MockTokenizer(json);
  return tokenizerFile.parse(json);
}
