// The figures of bench/train.ts as a Markdown table.
import { median } from "../src/lib/stats.ts";
import { headline, type Machine, spread } from "./machine.ts";
import type { Opened, Stepped } from "./trainSides.ts";

/** Ours, the recipe, and the recipe with padding to the longest of the batch only. */
export const methods = ["ours", "recipe", "tight"] as const;
export type Method = (typeof methods)[number];
export type Timed = Stepped & { readonly tokens: number };
export type Round = Readonly<Record<Method, Timed>>;
export interface Outcome {
  readonly case: string;
  readonly info: Opened["info"];
  readonly packed: boolean;
  readonly rate: { readonly flops: number; readonly from: string };
  /** FLOPs of the model per real token (6N + attention), ours and the recipe's rows. */
  readonly flopsPerToken: number;
  readonly rounds: readonly Round[];
  readonly padding: Readonly<Record<Method, number>>;
  /** Largest relative difference of the two methods' losses, where both did the same steps. */
  readonly lossDifference: number | undefined;
}

/** A Markdown table: medians over rounds with their range; the ratio is the median of the ratios of each round's pair. */
export function render(
  about: Machine & { readonly device: string; readonly threads: number },
  outcomes: readonly Outcome[],
): string {
  const rateOf = (one: Timed) => one.tokens / one.cpuSeconds;
  const lines = outcomes.map(({ case: name, rounds, info, packed, rate, flopsPerToken, padding, lossDifference }) => {
    const rates = (method: Method) => rounds.map((round) => rateOf(round[method]));
    const share = (method: Method) => `${((100 * median(rates(method)) * flopsPerToken) / rate.flops).toFixed(1)}%`;
    const peak = (method: Method) => (Math.max(...rounds.map((round) => round[method].peakBytes)) / 2 ** 30).toFixed(2);
    const ratios = (method: Method) => rounds.map((round) => rateOf(round.ours) / rateOf(round[method]));
    const all = (show: (method: Method) => string) => methods.map(show).join(" / ");
    const cells = [
      `${name}, ${(info.parameters / 1e6).toFixed(1)}M, ${info.dtype}${packed ? ", packed" : ""}`,
      ...methods.map((method) => spread(rates(method), (value) => value.toFixed(0))),
      ...(["recipe", "tight"] as const).map((method) => spread(ratios(method), (value) => `${value.toFixed(2)}x`)),
      all(share),
      all((method) => `${(100 * padding[method]).toFixed(0)}%`),
      `${(rate.flops / 1e12).toFixed(3)} (${rate.from})`,
      all(peak),
      lossDifference === undefined ? "other batch" : lossDifference.toExponential(1),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    headline(
      about,
      `device ${about.device}`,
      `${about.threads} kernel thread`,
      ...outcomes.map(({ case: name, rounds }) => `${name}: ${rounds.length} rounds`),
    ),
    "",
    `| case | ours, real tokens/CPU-s | recipe | recipe, batch-longest | ours / recipe, per round | ours / batch-longest | MFU (6N + attention), in that order | padding | device TFLOP/s | peak memory GiB | losses differ by |`,
    "|---|---|---|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}
