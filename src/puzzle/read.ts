// Reading options and problems that anybody may have written: a zod schema's verdict as an error that names the field.
import type { z } from "zod";
import { UserError } from "../lib/errors.ts";
import { quote } from "../lib/text.ts";

/** The value as the schema reads it. Throws UserError(code) that names the first wrong key under `root` and what was found. */
export function readWith<T>(schema: z.ZodType<T>, value: unknown, code: string, root: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const key = [root, ...(issue?.path ?? [])].join(".");
  throw new UserError(code, `${key}: ${issue?.message ?? "wrong"}; found ${shown(value)}`);
}

/** A problem record. Throws UserError("problem") that names the field, what was found and what is `expected`. */
export function readRecord<T>(schema: z.ZodType<T>, value: unknown, puzzle: string, expected: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.length ? `"${issue.path.join(".")}"` : "the record";
  throw new UserError(
    "problem",
    `${puzzle} problem: ${field}: ${issue?.message ?? "wrong"}; found ${shown(value)}, expected ${expected}`,
  );
}

function shown(value: unknown): string {
  return quote(JSON.stringify(value) ?? "nothing", 120);
}
