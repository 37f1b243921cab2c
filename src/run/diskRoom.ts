// Room on the store's disk: asked for before a stage starts, so that one that does not fit fails at once and not at its end.
import { formatBytes } from "../lib/bytes.ts";
import { UserError } from "../lib/errors.ts";
import { freeBytes, watchDisk } from "../store/disk.ts";

/** The disk as a run sees it. */
export interface DiskPort {
  /** Bytes that may still be written. */
  free(): Promise<number>;
  /** Calls `onLow` once, with the free bytes, when less than `floorBytes` are free. */
  watch(floorBytes: number, onLow: (freeBytes: number) => void): { stop(): void };
}

/** The disk that holds a path. */
export function diskOf(path: string): DiskPort {
  return {
    free: () => freeBytes(path),
    watch: (floorBytes, onLow) => watchDisk(path, { floorBytes, onLow }),
  };
}

/**
 * What running stages were promised counts in full until they end, although they have used some of it: a stage may wait for
 * another one in vain, it is never refused for its sake.
 */
export class DiskRoom {
  readonly #disk: DiskPort;
  readonly #floorBytes: number;
  readonly #place: string;
  #promised = 0;
  #waiting: (() => void)[] = [];

  /** `place`: the store, as the user may be told. */
  constructor(disk: DiskPort, floorBytes: number, place: string) {
    this.#disk = disk;
    this.#floorBytes = floorBytes;
    this.#place = place;
  }

  /**
   * Resolves when `bytes` fit beside what was promised; the answer gives them back. Throws UserError("disk-room") when they do
   * not fit although nothing else holds any.
   */
  async reserve(bytes: number, signal: AbortSignal): Promise<() => void> {
    if (bytes === 0) return () => undefined;
    for (;;) {
      signal.throwIfAborted();
      const free = await this.#disk.free();
      if (bytes + this.#promised + this.#floorBytes <= free) break;
      if (this.#promised === 0) throw this.#tooLittle(bytes, free);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#promised += bytes;
    return () => {
      this.#promised -= bytes;
      for (const wake of this.#waiting.splice(0)) wake();
    };
  }

  #tooLittle(bytes: number, free: number): UserError {
    return new UserError(
      "disk-room",
      `needs about ${formatBytes(bytes)} on the disk of ${this.#place}, where ${formatBytes(free)} are free (${formatBytes(this.#floorBytes)} are kept for journals). ` +
        "Free space (`backtrail store gc` shows what no sweep uses), or put `store:` on another disk; then run again: finished stages are kept.",
    );
  }
}

/** What to do about a disk on which a run cannot go on. `free`: bytes, where known. */
export function diskFullMessage(root: string, free: number | undefined): string {
  const left = free === undefined ? "" : `: ${formatBytes(free)} are free`;
  return (
    `The disk of ${root} is full${left}. Nothing new is started; what runs saves its work and stops. Free space (\`backtrail store gc\` shows what no sweep uses), ` +
    "or put `store:` on another disk; then run again: finished stages and saved work are kept."
  );
}
