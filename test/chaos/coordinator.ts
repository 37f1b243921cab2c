// One sweep as a user runs it: the real command line in a process of its own, started again when it has been killed, with
// all processes below it. Knows nothing of faults.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { descendants, type Seen, stillThere } from "./processes.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The command line as it is built; from source, which takes four times as long to start, where the build is older than that. */
function program(): string[] {
  const built = statSync(join(root, "dist", "main.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  if (sources.every((name) => statSync(join(root, "src", name)).mtimeMs < built)) return [join(root, "dist", "main.js")];
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return ["--import", tsx, join(root, "src", "main.ts")];
}
const entry = program();

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Takes all that the command says on stderr, with the time, for whoever looks into a failed round. */
  readonly log: string;
}

/** Commands under way: they must not outlive the harness, whatever ends it. Their workers then end by themselves. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts `backtrail ...args`. */
function start({ args, env, log }: Command): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [...entry, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const texts = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => {
    texts.out += data.toString();
  });
  const time = () => new Date().toISOString().slice(11, 23);
  appendFileSync(log, `${time()} process ${child.pid} starts\n`);
  child.stderr.on("data", (data: Buffer) => {
    texts.err += data.toString();
    appendFileSync(log, data.toString().replaceAll(/^(?=.)/gm, `${time()} ${child.pid} `));
  });
  // "exit" and not "close": whoever survives a killed coordinator may hold its pipes open.
  const ended = new Promise<Ended>((resolve) => {
    child.once("exit", (code, signal) => {
      running.delete(child);
      setImmediate(() => resolve({ code, signal, ...texts }));
    });
  });
  return { child, ended };
}

/** Runs `backtrail ...args` to its end. */
export function backtrail(command: Command): Promise<Ended> {
  return start(command).ended;
}

/** Worker processes are direct children of their coordinator, which leads no group of theirs. */
const workerPattern = /backtrail_worker|mock[/\\]main\.[jt]s/;

export class Coordinator {
  readonly #command: Command;
  readonly #seen = new Map<string, Seen>();
  #child: ChildProcess | undefined;
  /** How each of its processes ended, oldest first. */
  readonly ends: Ended[] = [];
  starts = 0;

  constructor(command: Command) {
    this.#command = command;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(): void {
    const { child, ended } = start(this.#command);
    this.#child = child;
    this.starts++;
    void ended.then((end) => {
      this.#child = undefined;
      this.ends.push(end);
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Its worker processes, oldest first. */
  workers(): Seen[] {
    const below = this.notice().filter(({ parent, command }) => parent === this.pid && workerPattern.test(command));
    return below.sort((a, b) => Number(a.started) - Number(b.started) || a.pid - b.pid);
  }

  /** Looks at the processes below it and remembers them: what must be gone in the end. */
  notice(): Seen[] {
    const below = this.pid === 0 ? [] : descendants(this.pid);
    for (const seen of below) this.#seen.set(`${seen.pid} ${seen.started}`, seen);
    return below;
  }

  /** Processes that it ever had below it and that still run. */
  survivors(): Seen[] {
    return [...this.#seen.values()].filter(stillThere);
  }
}
