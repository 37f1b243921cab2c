// Results that their callers have but have not recorded yet: the worker keeps its copy until they have.
// The rule: a finished call frees its credit at once, whatever its record does. To give a worker no new call while it has
// unrecorded results could wait for ever: a policy records an attempt only after its next round, which is a new call. So
// what is bounded is the memory of the worker: beyond the bound its oldest result is acknowledged before it is recorded.
// Nothing is lost by that while the coordinator lives, and after its death the call is made again with the same seeds.
import type { CallName } from "./calls.ts";

/** What one worker has to keep at most: results, and bytes of their arrays. */
const keptResults = { count: 64, bytes: 64 * 1024 * 1024 } as const;

interface Entry {
  readonly name: CallName;
  readonly bytes: number;
}

const keyOf = ({ id, attempt }: CallName) => `${id} ${attempt}`;

export class Unrecorded {
  readonly #acknowledge: (name: CallName) => void;
  readonly #limits: { readonly count: number; readonly bytes: number };
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(acknowledge: (name: CallName) => void, limits: { readonly count: number; readonly bytes: number } = keptResults) {
    this.#acknowledge = acknowledge;
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(name: CallName): boolean {
    return this.#entries.has(keyOf(name));
  }

  /** Acknowledges the result once `recorded` is settled, either way, or once there are too many. */
  add(name: CallName, bytes: number, recorded: Promise<unknown>): void {
    const { id, attempt } = name;
    const key = keyOf(name);
    this.#entries.set(key, { name: { id, attempt }, bytes });
    this.#bytes += bytes;
    const settle = () => this.#release(key);
    recorded.then(settle, settle);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.count && this.#bytes <= this.#limits.bytes) break;
      this.#release(oldest);
    }
  }

  #release(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    this.#acknowledge(entry.name);
  }

  /** The worker is gone: nothing is to be acknowledged any more. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}
