// An example as a person reads it: prompt dim, trained text green, untrained text red, special marks and the end yellow.
import type { Example } from "../data/example.ts";
import { escapeRegex } from "../lib/text.ts";

const codes = { dim: "\x1b[2m", green: "\x1b[32m", red: "\x1b[31m", yellow: "\x1b[33m", off: "\x1b[0m" } as const;
type Pen = (name: keyof typeof codes, text: string) => string;

/**
 * Without colour, trained text stands in [brackets] so that a mask can be read in a log too. `special` are the marks of the
 * example's format; one that is not trained stays red.
 */
export function colourExample(example: Example, special: readonly string[], colour: boolean): string {
  const paint: Pen = (name, text) => (colour && text !== "" ? `${codes[name]}${text}${codes.off}` : text);
  let text = "";
  let at = 0;
  for (const [from, to] of example.spans) {
    text += paint("red", example.response.slice(at, from));
    const trained = example.response.slice(from, to);
    text += colour ? withMarks(trained, special, paint) : `[${trained}]`;
    at = to;
  }
  text += paint("red", example.response.slice(at));
  const end = example.trainEnd ? (colour ? paint("yellow", "<end>") : "[<end>]") : paint("red", "<end>");
  return `${paint("dim", `${example.id} (${example.origin}, ${example.solver})`)}\n${paint("dim", example.prompt)}${text}${end}`;
}

/** Trained text with its special marks apart. */
function withMarks(text: string, special: readonly string[], paint: Pen): string {
  if (special.length === 0) return paint("green", text);
  const marks = special.map(escapeRegex);
  // With a group around them, split keeps the marks, at odd places.
  return text
    .split(new RegExp(`(${marks.join("|")})`))
    .map((part, index) => paint(index % 2 === 1 ? "yellow" : "green", part))
    .join("");
}
