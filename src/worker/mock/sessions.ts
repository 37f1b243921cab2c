// Order within a session, as the torch worker keeps it: calls come from 1 without gap or repeat; after a failure that may
// have left the model half changed, all later ones but unload are refused.
import { primitives, sessionPrimitives } from "../../protocol/primitives.ts";
import { JobError } from "./jobError.ts";

/** Calls after whose failure a session is broken. */
const mutating: readonly string[] = ["load_model", "forward_backward", "optim_step", "restore"];

interface Entry {
  due: number;
  broken: string;
}

export interface SessionRef {
  readonly id: string;
  readonly seq: number;
}

export class SessionOrder {
  readonly #entries = new Map<string, Entry>();

  /** Counts a call in. Throws JobError: "session-gap" when a call before it never came, "session" for a repeat, a stranger or a broken session. */
  #enter({ id, seq }: SessionRef, primitive: string): void {
    const entry = this.#entries.get(id);
    if (!entry) {
      if (primitive !== "load_model" || seq !== 1)
        throw new JobError(seq === 1 ? "session" : "session-gap", `unknown session "${id}": load_model must be its call 1`);
      this.#entries.set(id, { due: 2, broken: "" });
      return;
    }
    if (seq !== entry.due) {
      const code = seq < entry.due ? "session" : "session-gap";
      throw new JobError(code, `session "${id}": call ${seq} came, call ${entry.due} was expected`);
    }
    entry.due++;
    if (primitive === "load_model")
      throw new JobError("session", `session "${id}" has its model: load_model is call 1 and only call 1`);
    if (entry.broken !== "" && primitive !== "unload")
      throw new JobError("session", `session "${id}" cannot go on: ${entry.broken}`);
  }

  /** Notes the failure of a call that was let in. */
  #failed({ id, seq }: SessionRef, primitive: string, reason: string): void {
    const entry = this.#entries.get(id);
    if (entry && entry.broken === "" && mutating.includes(primitive))
      entry.broken = `call ${seq} (${primitive}) failed: ${reason}`;
  }

  /** A call was cancelled before it ran: its number is used up, what follows may not run. */
  skip({ id, seq }: SessionRef): void {
    const entry = this.#entries.get(id);
    if (entry?.due !== seq) return;
    entry.due++;
    entry.broken ||= `call ${seq} never ran`;
  }

  /** Does a call's work in its place in the session, or outside of any. Throws what `work` throws, and JobError. */
  async run<T>(session: SessionRef | undefined, primitive: string, work: () => Promise<T>): Promise<T> {
    const stateful = (sessionPrimitives as readonly string[]).includes(primitive);
    if (Object.hasOwn(primitives, primitive) && stateful !== (session !== undefined)) {
      if (session) this.skip(session);
      throw new JobError("bad-request", `${primitive} ${session ? "takes no" : "needs a"} session in the job header`);
    }
    if (!session) return await work();
    this.#enter(session, primitive);
    try {
      const answer = await work();
      if (primitive === "unload") this.#entries.delete(session.id);
      return answer;
    } catch (error) {
      this.#failed(session, primitive, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }
}
