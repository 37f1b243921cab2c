// Whose turn it is on the workers: so many at a time, in the order in which they came. Pure.

/**
 * `atOnce` pieces of work at a time. Twice as many where they use a model that is in use already: no worker has to load
 * another one for it, and a call that waits at a worker leaves it no gap between two of them.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #running = new Map<string, number>();
  #total = 0;
  readonly #waiting: { readonly model: string; readonly start: () => void }[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** `model`: what a worker has to hold for it; "" shares with nothing. */
  async run<T>(model: string, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      this.#waiting.push({ model, start });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#total--;
      const left = (this.#running.get(model) ?? 1) - 1;
      if (left > 0) this.#running.set(model, left);
      else this.#running.delete(model);
      this.#next();
    }
  }

  #next(): void {
    for (;;) {
      const index = this.#waiting.findIndex(({ model }) => this.#hasRoom(model));
      const [first] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (first === undefined) return;
      this.#total++;
      this.#running.set(first.model, (this.#running.get(first.model) ?? 0) + 1);
      first.start();
    }
  }

  #hasRoom(model: string): boolean {
    if (this.#total < this.#atOnce) return true;
    return model !== "" && this.#total < 2 * this.#atOnce && (this.#running.get(model) ?? 0) > 0;
  }
}
