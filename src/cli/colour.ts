// An example as a person reads it: prompt dim, trained text green, untrained text red, control tokens yellow.
import type { Example } from "../data/example.ts";

const codes = { dim: "\x1b[2m", green: "\x1b[32m", red: "\x1b[31m", yellow: "\x1b[33m", off: "\x1b[0m" } as const;

/** Without colour, trained text stands in [brackets] so that a mask can be read in a log too. */
export function colourExample(example: Example, colour: boolean): string {
  const paint = (name: keyof typeof codes, text: string) =>
    colour && text !== "" ? `${codes[name]}${text}${codes.off}` : text;
  let text = "";
  let at = 0;
  for (const [from, to] of example.spans) {
    text += paint("red", example.response.slice(at, from));
    const trained = example.response.slice(from, to);
    text += colour ? paint("green", trained) : `[${trained}]`;
    at = to;
  }
  text += paint("red", example.response.slice(at));
  const end = example.trainEnd ? (colour ? paint("yellow", "<end>") : "[<end>]") : paint("red", "<end>");
  return `${paint("dim", `${example.id} (${example.origin})`)}\n${paint("dim", example.prompt)}${text}${end}`;
}
