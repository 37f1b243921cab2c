// Digests and canonical JSON. Pure: no clock, no files.
import { hash } from "node:crypto";

/** Anything JSON can hold. `undefined` members of objects are left out, as JSON.stringify does. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** SHA-256 of a text (UTF-8) or of bytes, as 64 hexadecimal characters. */
export function sha256(data: string | Uint8Array): string {
  // In one call: a hash object for each of millions of keys costs more than the hashing.
  return hash("sha256", data, "hex");
}

/**
 * JSON with sorted keys and no white space: equal values give equal texts.
 * Throws TypeError on NaN and Infinity, which JSON would silently turn into null.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`canonicalJson: ${value} is not a JSON number`);
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  const members = Object.entries(value as { readonly [key: string]: Json | undefined })
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}

/** SHA-256 of the canonical JSON of a value: the address of a stage, a config, a claim. */
export function digest(value: Json): string {
  return sha256(canonicalJson(value));
}
