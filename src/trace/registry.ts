// The text formats there are, by name: an explicit table.
import { UserError } from "../lib/errors.ts";
import { nearest, quote } from "../lib/text.ts";
import { selfBacktracking } from "./formats/selfBacktracking.ts";

export const formats = { "self-backtracking": selfBacktracking } as const;
export type FormatName = keyof typeof formats;
export type AnyFormat = (typeof formats)[FormatName];

/** The format of that name. Throws UserError("format-unknown") that offers the nearest name. */
export function findFormat(name: string): AnyFormat {
  if (Object.hasOwn(formats, name)) return formats[name as FormatName];
  const names = Object.keys(formats);
  const near = nearest(name, names);
  const hint = near ? ` Did you mean ${quote(near)}?` : "";
  throw new UserError("format-unknown", `unknown format ${quote(name)}; there is: ${names.join(", ")}.${hint}`);
}
