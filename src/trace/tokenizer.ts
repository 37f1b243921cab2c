// A Hugging Face tokenizer for models from scratch, derived from a format's vocabulary. Makes JSON; writes no file.
import type { Json } from "../lib/hash.ts";
import { escapeRegex } from "../lib/text.ts";
import type { Vocabulary } from "./format.ts";
import { longestFirst } from "./tokenCount.ts";

/** Control tokens in front of every vocabulary: padding (id 0), end of text (1), anything unknown (2). */
export const controlTokens = { pad: "<pad>", end: "<eos>", unknown: "<unk>" } as const;

/** All tokens in order of their ids: the control tokens, the format's special marks, its pieces. */
export function tokenList(vocabulary: Vocabulary): string[] {
  const tokens = [controlTokens.pad, controlTokens.end, controlTokens.unknown, ...vocabulary.special, ...vocabulary.pieces];
  const twice = tokens.find((token, index) => token === "" || tokens.indexOf(token) !== index);
  if (twice !== undefined) throw new Error(`vocabulary: the piece ${JSON.stringify(twice)} is empty or there twice`);
  return tokens;
}

/**
 * tokenizer.json: a WordLevel model behind a Split on the pieces, longest first. A character that belongs to no piece is
 * one `<unk>`. Nothing is added around a text. Special marks are cut out before the split, wherever they stand.
 */
export function tokenizerJson(vocabulary: Vocabulary): Json {
  const tokens = tokenList(vocabulary);
  const numAdded = 3 + vocabulary.special.length;
  // Read by the tokenizers library's regular expressions (Oniguruma).
  const pattern = [...longestFirst(vocabulary.pieces).map(escapeRegex), "[\\s\\S]"].join("|");
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: tokens.slice(0, numAdded).map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
    post_processor: null,
    decoder: { type: "Fuse" },
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      unk_token: controlTokens.unknown,
    },
  };
}

/** tokenizer_config.json beside it. The context belongs to the model, so model_max_length is left out. */
export function tokenizerConfigJson(vocabulary: Vocabulary): Json {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: controlTokens.pad,
    eos_token: controlTokens.end,
    unk_token: controlTokens.unknown,
    additional_special_tokens: [...vocabulary.special],
    clean_up_tokenization_spaces: false,
    padding_side: "right",
  };
}
