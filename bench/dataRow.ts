// What a row of bench/data.ts is, and how rates are taken: items per second of CPU time, ours and a peer's in turn. Knows no
// puzzle: dataCountdown.ts, dataSudoku.ts and dataGraph.ts each export `rows(options)`.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { median } from "../src/lib/stats.ts";

/** One measured thing. Rates are items per second of CPU time (all threads of a process, garbage collection included). */
export interface Row {
  readonly name: string;
  /** What an item is: "line of 8.5 KB: problem, prompt, response, spans, solution". */
  readonly unit: string;
  /** Our rate: median of the repeats. */
  readonly ours: number;
  /** The peer's rate: median of the repeats; absent when no peer was given or there is none. */
  readonly peer?: number;
  /** Median of ours / peer, pair by pair: a shared machine drifts. */
  readonly ratio?: number;
  /** Who the peer is and what differs, or why there is none. */
  readonly note: string;
}

export interface RowOptions {
  /** Pairs of measurements. */
  readonly repeats: number;
  /** CPU seconds of one measurement. */
  readonly seconds: number;
  /** The Python that runs peers. */
  readonly python: string;
  /** Folders of peers' clones, where given. */
  readonly sos?: string;
  readonly reasoningGym?: string;
}

/** A module of rows: `rows` of dataCountdown.ts, dataSudoku.ts, dataGraph.ts. */
export type Rows = (options: RowOptions) => Promise<Row[]>;

/** Makes item `index`. What it returns is kept until the next call, so that no work can be optimised away. */
export type MakeItem = (index: number) => unknown;

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

// Read between batches: a look at the clock costs about a microsecond.
const batch = 64;
const sink: { last?: unknown } = {};

/** Items per CPU second of a run of at least `seconds` from item `from` on, and where it ended. */
function rateFrom(make: MakeItem, from: number, seconds: number): { readonly rate: number; readonly next: number } {
  const start = cpuSeconds();
  let index = from;
  for (let spent = 0; ; spent = cpuSeconds() - start) {
    if (spent >= seconds) return { rate: (index - from) / spent, next: index };
    for (const end = index + batch; index < end; index++) sink.last = make(index);
  }
}

const run = promisify(execFile);

/**
 * The rate that a peer's script prints as its last line: items per CPU second, as a plain number. `seconds` is its first
 * argument. Rejects with what it wrote on stderr when it fails.
 */
export async function peerRate(options: RowOptions, script: string, args: readonly string[]): Promise<number> {
  const { stdout, stderr } = await run(options.python, [script, String(options.seconds), ...args], { maxBuffer: 1 << 26 });
  const rate = Number(stdout.trim().split("\n").at(-1));
  if (!(rate > 0)) throw new Error(`${script}: its last line is not a rate: ${stdout.slice(-200)}${stderr.slice(-2000)}`);
  return rate;
}

/**
 * Our rate and the peer's in turn, `repeats` times, after one measurement of ours that is thrown away (compilation). Items
 * go on where the measurement before ended, so that no cache can help.
 */
export async function measure(
  options: RowOptions,
  make: MakeItem,
  peer?: () => Promise<number>,
): Promise<Pick<Row, "ours" | "peer" | "ratio">> {
  let { next } = rateFrom(make, 0, options.seconds);
  const ours: number[] = [];
  const peers: number[] = [];
  for (let pair = 0; pair < options.repeats; pair++) {
    const measured = rateFrom(make, next, options.seconds);
    next = measured.next;
    ours.push(measured.rate);
    if (peer) peers.push(await peer());
  }
  if (!peer) return { ours: median(ours) };
  return { ours: median(ours), peer: median(peers), ratio: median(ours.map((rate, pair) => rate / (peers[pair] as number))) };
}
