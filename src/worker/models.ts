// Which models a worker holds for free calls, as far as its calls tell: it keeps the versions used last. Pure.
import type { PrimitiveName } from "../protocol/primitives.ts";

/** The version of the model that a call computes with, or "" (a tokenizer alone is loaded in no time). */
export function modelOf(primitive: PrimitiveName, params: Readonly<Record<string, unknown>>): string {
  if (primitive !== "generate" && primitive !== "score") return "";
  const { model } = params;
  const named = typeof model === "object" && model !== null && "version" in model;
  return named && typeof model.version === "string" ? model.version : "";
}

export class HeldModels {
  /** The least recently used one first. */
  readonly #versions = new Set<string>();

  get versions(): readonly string[] {
    return [...this.#versions];
  }

  has(version: string): boolean {
    return this.#versions.has(version);
  }

  /** A call with this model was sent: the worker has it or will have loaded it, and keeps the last `kept`. */
  use(version: string, kept: number): void {
    if (version === "") return;
    this.#versions.delete(version);
    this.#versions.add(version);
    for (const oldest of this.#versions) if (this.#versions.size > kept) this.#versions.delete(oldest);
  }

  /** A call with this model failed: whether it is loaded is not known. */
  drop(version: string): void {
    this.#versions.delete(version);
  }
}
