// What a law is and how it is reported: a sentence, how often it was checked, and the first case that breaks it.

/** The outcome of one law. */
export interface LawResult {
  readonly law: string;
  /** Cases looked at. A law that was never looked at has not been shown. */
  readonly checked: number;
  /** The first case that breaks it, in words. */
  readonly broken?: string;
}

/** Collects cases of named laws, each law's first counterexample only. */
export class LawBook {
  readonly #laws = new Map<string, { checked: number; broken?: string }>();

  /**
   * One case of a law: `test` gives undefined where it holds, else what is wrong; what it throws is a break too.
   * `about` says which case it was. Laws may be checked inside a test: then what throws between them is caught too.
   */
  check(law: string, about: () => string, test: () => string | undefined): void {
    const entry = this.#laws.get(law) ?? { checked: 0 };
    this.#laws.set(law, entry);
    entry.checked++;
    if (entry.broken !== undefined) return;
    let wrong: string | undefined;
    try {
      wrong = test();
    } catch (error) {
      wrong = thrown(error);
    }
    if (wrong !== undefined && entry.broken === undefined) entry.broken = `${described(about)}: ${wrong}`;
  }

  /** Takes over what another book found, its laws under a prefix. */
  merge(other: LawBook, prefix: string): void {
    for (const [law, { checked, broken }] of other.#laws) {
      const entry = this.#laws.get(`${prefix}${law}`) ?? { checked: 0 };
      entry.checked += checked;
      if (entry.broken === undefined && broken !== undefined) entry.broken = broken;
      this.#laws.set(`${prefix}${law}`, entry);
    }
  }

  /** Every law in the order of its first case. */
  results(): LawResult[] {
    return [...this.#laws].map(([law, entry]) => ({ law, ...entry }));
  }
}

function thrown(error: unknown): string {
  return `it throws ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
}

/** The case in words; a module that is broken may fail at these too. */
function described(about: () => string): string {
  try {
    return about();
  } catch (error) {
    return `a case that cannot be told (${thrown(error)})`;
  }
}

/** A value as short JSON for messages. */
export function shown(value: unknown, length = 300): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}
