// What the mock has said about each call and is not yet acknowledged, to be said again when a message was lost: chunks by
// number, and the last word. Twin of py/backtrail_worker/outbox.py. Bookkeeping only: sends nothing.
import type { CallName } from "../calls.ts";

interface Entry {
  readonly name: CallName;
  readonly chunks: Map<number, Buffer[]>;
  final: Buffer[] | undefined;
}

const keyOf = ({ id, attempt }: CallName) => `${id} ${attempt}`;

export class Outbox {
  readonly #entries = new Map<string, Entry>();

  /** A call has come; false when it is known already. */
  open(name: CallName): boolean {
    if (this.#entries.has(keyOf(name))) return false;
    this.#entries.set(keyOf(name), { name: { id: name.id, attempt: name.attempt }, chunks: new Map(), final: undefined });
    return true;
  }

  chunk(name: CallName, seq: number, frames: Buffer[]): void {
    this.#entries.get(keyOf(name))?.chunks.set(seq, frames);
  }

  /** The result, or with `failed` an error: chunks that nobody has consumed yet are void then. */
  final(name: CallName, frames: Buffer[], failed: boolean): void {
    const entry = this.#entries.get(keyOf(name));
    if (!entry) return;
    if (failed) entry.chunks.clear();
    entry.final = frames;
  }

  /** Chunk `seq` is acknowledged. */
  consumed(name: CallName, seq: number): void {
    this.#entries.get(keyOf(name))?.chunks.delete(seq);
  }

  /** The last word is acknowledged. */
  recorded(name: CallName): void {
    if (this.#entries.get(keyOf(name))?.final) this.#entries.delete(keyOf(name));
  }

  /** Chunks of a call that are sent and not acknowledged. */
  ahead(name: CallName): number {
    return this.#entries.get(keyOf(name))?.chunks.size ?? 0;
  }

  /** Nothing is running, waiting or unacknowledged. */
  get empty(): boolean {
    return this.#entries.size === 0;
  }

  /** Calls whose last word is not acknowledged. */
  held(): CallName[] {
    return [...this.#entries.values()].filter(({ final }) => final).map(({ name }) => name);
  }

  /** All messages that are not acknowledged, of one call or of all, in the order in which they were sent. */
  again(name?: CallName): Buffer[][] {
    const entries = [...this.#entries.entries()].filter(([key]) => !name || key === keyOf(name));
    return entries.flatMap(([, { chunks, final }]) => [...chunks.values(), ...(final ? [final] : [])]);
  }
}
