// A run of draws as bytes with what a writer must know of each line: what threads hand over. No files.

import type { LineMaker } from "./kernel/lineMaker.ts";
import { kernelFor } from "./kernel/registry.ts";
import { keyHash } from "./keyHash.ts";
import { keyOf } from "./keys.ts";
import { type Recipe, recipeFor } from "./recipe.ts";
import type { TrainSet } from "./settings.ts";
import { drawsFor, type Prepared } from "./sources.ts";

/** What a manifest counts examples by. */
export interface LineKind {
  readonly origin: string;
  readonly solver: string;
  readonly solved?: boolean | undefined;
}

/** The lines of draws [from, from + ends.length). */
export interface Chunk {
  readonly from: number;
  /** All lines one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each draw's line ends in `bytes`; a draw that was dropped ends where the one before it does. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Index into `kinds` of each draw's line. */
  readonly kindOf: Uint16Array<ArrayBuffer>;
  readonly kinds: readonly LineKind[];
  /** Words [high, low] of the hash of each draw's canonical key; empty unless repeats are to be dropped. */
  readonly keys: Uint32Array<ArrayBuffer>;
}

/** Everything that a chunk is made with; made once a thread. */
export interface ChunkMaker {
  readonly recipe: Recipe;
  make(from: number, to: number): Chunk;
}

/** Throws as `recipeFor` does. */
export function chunkMaker(set: TrainSet, prepared: Prepared): ChunkMaker {
  const recipe = recipeFor(set, prepared);
  const lines = kernelFor(set, drawsFor(set, prepared)) ?? composed(recipe);
  return { recipe, make: (from, to) => makeChunk(lines, from, to, recipe.dropsRepeats) };
}

/** The composable path as a line maker: what every kernel is held to. */
export function composed(recipe: Recipe): LineMaker {
  let example: ReturnType<Recipe["make"]>;
  const made = () => {
    if (example === undefined) throw new Error("no line was written yet");
    return example;
  };
  return {
    write: (index) => {
      example = recipe.make(index);
      return example && Buffer.from(`${JSON.stringify(example)}\n`);
    },
    last: {
      get origin() {
        return made().origin;
      },
      get solver() {
        return made().solver;
      },
      get solved() {
        return made().solved;
      },
      key: () => keyOf(made()),
    },
  };
}

function makeChunk(lines: LineMaker, from: number, to: number, withKeys: boolean): Chunk {
  const ends = new Uint32Array(to - from);
  const kindOf = new Uint16Array(to - from);
  const keys = new Uint32Array(withKeys ? 2 * (to - from) : 0);
  const kinds: LineKind[] = [];
  const indexOf = new Map<string, number>();
  let bytes = new Uint8Array(1 << 16);
  let length = 0;
  for (let at = 0; at < ends.length; at++) {
    const line = lines.write(from + at);
    if (line !== undefined) {
      if (length + line.length > bytes.length) bytes = grown(bytes, length + line.length);
      bytes.set(line, length);
      length += line.length;
      kindOf[at] = kindIndex(lines.last, kinds, indexOf);
      if (withKeys) keys.set(keyHash(lines.last.key(), 0), 2 * at);
    }
    ends[at] = length;
  }
  return { from, bytes: bytes.subarray(0, length), ends, kindOf, kinds, keys };
}

function grown(bytes: Uint8Array, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, 2 * bytes.length));
  larger.set(bytes);
  return larger;
}

function kindIndex({ origin, solver, solved }: LineKind, kinds: LineKind[], indexOf: Map<string, number>): number {
  const name = `${origin} ${solver} ${solved}`;
  let index = indexOf.get(name);
  if (index === undefined) {
    index = kinds.push(solved === undefined ? { origin, solver } : { origin, solver, solved }) - 1;
    indexOf.set(name, index);
  }
  return index;
}
