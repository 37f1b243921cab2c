// npm run chaos: sweeps under faults, round after round with fresh seeds, and what speaks against them. Exit code 1 when a check
// failed; the line that replays the first failing round is printed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzzLines, fuzzSides, runFuzz } from "./fuzz.ts";
import { type RoundReport, runRound } from "./round.ts";
import type { Form, SweepName } from "./schedule.ts";
import { type Check, runUndisturbed, whyNoTorch } from "./undisturbed.ts";

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

function tell(checks: readonly Check[]): void {
  for (const { name, faults } of checks) {
    process.stdout.write(`  ${faults.length === 0 ? "ok    " : "FAILED"} ${name}\n`);
    for (const fault of faults.slice(0, 5)) process.stdout.write(`         ${fault}\n`);
    if (faults.length > 5) process.stdout.write(`         and ${faults.length - 5} more\n`);
  }
}

function tellRound(round: RoundReport): void {
  process.stdout.write(`seed ${round.seed}: ${round.ok ? "ok" : "FAILED"}\n`);
  tell(round.checks);
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(", ");
  for (const [name, sweep] of Object.entries(round.sweeps)) {
    const lost = sweep.seconds - sweep.undisturbedSeconds;
    process.stdout.write(
      `  ${name}: ${sweep.seconds.toFixed(1)} s, ${lost.toFixed(1)} s more than undisturbed (${sweep.allowedSeconds} s allowed on a quiet machine); ` +
        `${sweep.starts} starts, ${sweep.workersLost} workers lost\n` +
        `    faults: ${counts(sweep.faults)}; lapsed: ${sweep.lapsed.length}\n    in processes: ${counts(sweep.injected)}\n`,
    );
  }
}

interface FuzzFlags {
  readonly fuzz?: string;
  readonly side?: string;
  readonly only?: string;
  readonly json?: string;
}

/** --fuzz N: so many wrong messages to each side, or to one; --only N: message N alone. */
async function fuzz(flags: FuzzFlags, seed: number): Promise<void> {
  const side = fuzzSides.find((name) => name === flags.side);
  const numbers = [flags.fuzz ?? 1, flags.only ?? 0].map(Number);
  if (
    (flags.side !== undefined && side === undefined) ||
    !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)
  )
    throw new Error(`--fuzz and --only take a number, --side one of ${fuzzSides.join(", ")}`);
  const [messages = 1, index] = numbers;
  const only = flags.only === undefined ? undefined : index;
  const reports = await runFuzz({ side, seed, messages, only, say });
  for (const report of reports) process.stdout.write(`${fuzzLines(report).join("\n")}\n`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(reports, null, 2)}\n`);
  process.exitCode = reports.every(({ faults }) => faults.length === 0) ? 0 : 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      json: { type: "string" },
      form: { type: "string", default: "long" },
      sweep: { type: "string" },
      keep: { type: "boolean", default: false },
      fuzz: { type: "string" },
      side: { type: "string" },
      only: { type: "string" },
    },
  });
  const form: Form = values.form === "short" ? "short" : "long";
  const first = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  if (values.fuzz !== undefined || values.only !== undefined) {
    await fuzz(values, first);
    return;
  }
  const noTorch = values.sweep === "mock" ? "--sweep mock" : await whyNoTorch();
  if (noTorch !== undefined) say(`no torch sweep: ${noTorch}`);
  const sweeps: SweepName[] = values.sweep === "torch" ? ["torch"] : noTorch === undefined ? ["mock", "torch"] : ["mock"];
  const folder = mkdtempSync(join(tmpdir(), "btc-"));
  say(`seed ${first}, in ${folder}`);
  const undisturbed = await runUndisturbed(folder, sweeps);
  tell(undisturbed.checks);
  const until = performance.now() + 60_000 * Number(values.minutes ?? 0);
  const rounds: RoundReport[] = [];
  for (let seed = first; seed === first || performance.now() < until; seed++) {
    const place = join(folder, `r${seed}`);
    const round = await runRound({ seed, form, folder: place, undisturbed, say });
    rounds.push(round);
    tellRound(round);
    if (round.ok && !values.keep) rmSync(place, { recursive: true, force: true });
  }
  const failed = rounds.find(({ ok }) => !ok);
  const ok = failed === undefined && undisturbed.checks.every(({ faults }) => faults.length === 0);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ ok, checks: undisturbed.checks, rounds }, null, 2)}\n`);
  if (failed !== undefined)
    process.stdout.write(`Replay: npm run chaos -- --form ${form} --seed ${failed.seed}; its files are kept in ${folder}\n`);
  else if (!values.keep) rmSync(folder, { recursive: true, force: true });
  process.exitCode = ok ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
await main();
