// Does to a running sweep what the schedule says: signals to its processes, orders to what is loaded into them (preload.ts).
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Coordinator } from "./coordinator.ts";
import { orderFiles, type Role, type StandingOrders, type StartOrder } from "./orders.ts";
import { type Seen, stillThere } from "./processes.ts";
import type { Fault } from "./schedule.ts";

/** How long a killed coordinator's processes may outlive it. */
const orphanMs = 10_000;
/** Of the messages sent while corruption is ordered, so many are broken. */
const corruptShare = 0.3;

export interface Target {
  readonly coordinator: Coordinator;
  readonly orders: string;
  readonly flavour: "mock" | "torch";
  /** The same `run` without any disturbance. */
  readonly command: Command;
}

export class Injector {
  readonly #target: Target;
  readonly #standing: Record<Role, StandingOrders>;
  /** What is still under way: processes to wake, a disk to free. */
  readonly #pending = new Set<Promise<void>>();
  #serial = 0;
  /** What went wrong besides results: orphans, a second run that was let in. */
  readonly complaints: string[] = [];
  diskFull = false;

  constructor(target: Target, poison: readonly string[]) {
    this.#target = target;
    this.#standing = { coordinator: {}, worker: { poison: [...poison] } };
    mkdirSync(target.orders, { recursive: true });
    this.#publish("worker");
  }

  /** Whether a fault has something to act on now. */
  ready(fault: Fault): boolean {
    const { coordinator } = this.#target;
    if (coordinator.pid === 0 || this.diskFull) return false;
    return coordinator.workers().length > 0 || fault.kind === "kill-coordinator";
  }

  /** Carries a fault out. Resolves when it has begun; `settle` waits for what lasts. */
  async inject(fault: Fault): Promise<void> {
    const { coordinator } = this.#target;
    switch (fault.kind) {
      case "kill-worker":
        this.#victim(fault.pick, (victim) => signal(victim, "SIGKILL"));
        return;
      case "pause-worker":
      case "hang-worker":
        this.#victim(fault.pick, (victim) => this.#pause(victim, fault.milliseconds));
        return;
      case "kill-coordinator":
        await this.#killCoordinator();
        return;
      case "pause-coordinator":
        coordinator.signal("SIGSTOP");
        this.#later(fault.milliseconds, () => coordinator.signal("SIGCONT"));
        return;
      case "corrupt-from-workers": {
        const [role, key] =
          this.#target.flavour === "mock" ? (["worker", "corrupt"] as const) : (["coordinator", "corruptReceived"] as const);
        this.#order(role, { [key]: { serial: ++this.#serial, share: corruptShare, messages: fault.messages } });
        return;
      }
      case "corrupt-from-coordinator":
        this.#order("coordinator", { corrupt: { serial: ++this.#serial, share: corruptShare, messages: fault.messages } });
        return;
      case "misbehave":
        this.#startOrder(fault.how);
        this.#victim(fault.pick, (victim) => signal(victim, "SIGKILL"));
        return;
      case "disk-full":
        this.diskFull = true;
        this.#order("coordinator", { diskFull: true });
        this.#later(fault.milliseconds, () => {
          this.#order("coordinator", { diskFull: false });
          this.diskFull = false;
        });
        return;
      case "clock-jump":
        this.#order("coordinator", { clockHours: fault.hours });
        this.#order("worker", { clockHours: fault.hours });
        return;
      case "second-run":
        this.#track(this.#secondRun());
    }
  }

  /** Resolves when nothing of what was begun lasts any more. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Takes the poison away, for the run that is to end well. */
  lift(): void {
    this.#standing.worker = {};
    this.#publish("worker");
  }

  #victim(pick: number, deed: (victim: Seen) => void): void {
    const workers = this.#target.coordinator.workers();
    const victim = workers[Math.floor(pick * workers.length)];
    if (victim !== undefined) deed(victim);
  }

  #pause(victim: Seen, milliseconds: number): void {
    signal(victim, "SIGSTOP");
    this.#later(milliseconds, () => signal(victim, "SIGCONT"));
  }

  #later(milliseconds: number, act: () => void): void {
    this.#track(sleep(milliseconds).then(act));
  }

  #track(pending: Promise<void>): void {
    this.#pending.add(pending);
    void pending.then(() => this.#pending.delete(pending));
  }

  async #killCoordinator(): Promise<void> {
    const { coordinator } = this.#target;
    coordinator.notice();
    coordinator.signal("SIGKILL");
    const until = performance.now() + orphanMs;
    while (coordinator.pid !== 0 || coordinator.survivors().length > 0) {
      if (performance.now() > until) {
        const who = coordinator.survivors().map(({ pid, command }) => `${pid} (${command.slice(0, 80)})`);
        this.complaints.push(`${who.join(", ")} outlived a SIGKILLed coordinator by ${orphanMs / 1000} s`);
        return;
      }
      await sleep(20);
    }
  }

  async #secondRun(): Promise<void> {
    const { coordinator, command } = this.#target;
    const holder = coordinator.pid;
    const second = new Coordinator(command);
    second.start();
    while (second.pid !== 0) {
      // When the first one dies the sweep is free, and the second would run it undisturbed.
      if (coordinator.pid !== holder) second.signal("SIGKILL");
      await sleep(20);
    }
    const { code, err } = second.ends[0] ?? { code: null, err: "" };
    const told = code === 2 && err.includes(`process ${holder} `) && /since \d{4}-\d\d-\d\dT/.test(err);
    if (!told && coordinator.pid === holder)
      this.complaints.push(`a second run of a sweep that is on ended with code ${code} and said: ${err.slice(0, 300)}`);
  }

  #order(role: Role, orders: StandingOrders): void {
    this.#standing[role] = { ...this.#standing[role], ...orders };
    this.#publish(role);
  }

  /** Whole or not at all: the other side reads at any time. */
  #publish(role: Role): void {
    this.#write(orderFiles.standing(role), this.#standing[role]);
  }

  #startOrder(order: StartOrder): void {
    this.#write(orderFiles.start(++this.#serial), order);
  }

  #write(name: string, value: object): void {
    const path = join(this.#target.orders, name);
    writeFileSync(`${path}.tmp`, JSON.stringify(value));
    renameSync(`${path}.tmp`, path);
  }
}

function signal(victim: Seen, name: NodeJS.Signals): void {
  if (!stillThere(victim)) return;
  try {
    process.kill(victim.pid, name);
  } catch {
    // It ended between the look and the signal.
  }
}
