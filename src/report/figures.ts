// Numbers as people read them, the same in the terminal and on the page. Pure.
import type { SplitResult, Summary, UnjudgedClaim } from "./model.ts";

/** 0.5234 -> "52.3%". */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}%`;
}

/** A difference of shares in percentage points: 0.052 -> "+5.2", -0.01 -> "−1.0" (a true minus sign). */
export function points(difference: number): string {
  const text = Math.abs(difference * 100).toFixed(1);
  if (Number(text) === 0) return text;
  return difference > 0 ? `+${text}` : `\u2212${text}`;
}

/** For axes: 0.05 -> "+5". */
export function pointsTick(difference: number): string {
  return points(difference).replace(/\.0$/, "");
}

/** [0.48, 0.567] -> "48.0–56.7". */
export function shareInterval([low, high]: readonly [number, number]): string {
  return `${(low * 100).toFixed(1)}\u2013${(high * 100).toFixed(1)}`;
}

/** [-0.012, 0.061] -> "−1.2 to +6.1": signed ends would be unreadable with a dash between them. */
export function pointsInterval([low, high]: readonly [number, number]): string {
  return `${points(low)} to ${points(high)}`;
}

/** Whole numbers in groups of three, parted by thin spaces: 1234567 -> "1 234 567". */
export function integer(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** A mean: two digits below 10, one below 1000, grouped above. */
export function mean(value: number): string {
  if (Math.abs(value) >= 1000) return integer(value);
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}

/** 570000 -> "570k", 1236000000 -> "1.24G": for axes and parameter counts. */
export function compact(value: number): string {
  const units = ["", "k", "M", "G", "T"];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const text = scaled.toPrecision(3);
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}${units[unit]}`;
}

/** A p-value: three digits, never a bare 0. */
export function pValue(value: number): string {
  if (value < 0.001) return "<0.001";
  return value.toFixed(3);
}

/** Trainings up to which a sentence tells each one's figure; of more it tells the range. */
const armsTold = 4;

/** In what the trainings of a sweep are equal and in what they are not; "" with fewer than two. */
export function budgetSentence(summary: Summary): string {
  const trained = summary.arms.flatMap(({ name, budget }) => (budget === null ? [] : [{ name, budget }]));
  if (trained.length < 2) return "";
  const kinds = {
    parameters: "parameters",
    steps: "steps",
    examples: "examples",
    directExamples: "direct examples",
    backtrackExamples: "backtracking examples",
    tokens: "tokens",
    trainedTokens: "trained tokens",
  } as const;
  const equal: string[] = [];
  const different: string[] = [];
  for (const [key, title] of Object.entries(kinds) as [keyof typeof kinds, string][]) {
    const values = trained.map(({ budget }) => budget[key]);
    if (new Set(values).size === 1) equal.push(title);
    else if (trained.length > armsTold)
      different.push(`${title} (${compact(Math.min(...values))} to ${compact(Math.max(...values))})`);
    else different.push(`${title} (${trained.map(({ name, budget }) => `${name} ${compact(budget[key])}`).join(", ")})`);
  }
  return `Equal: ${equal.join(", ") || "nothing"}. Not equal: ${different.join("; ") || "nothing"}.`;
}

/** Names that a sentence lists before it only counts. */
const namesListed = 3;

/** Why a claim has no verdict yet, and the policies it waits for. */
export function unjudgedSentence({ name, required, pairs, left, missing }: UnjudgedClaim): string {
  const rest = missing.length - namesListed;
  const list = missing.slice(0, namesListed).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
  const share = pairs === 1 ? "" : ` for ${left} of ${pairs} pairs`;
  return `${name}${required ? " (required)" : ""}: not judged${share}, since what it compares is not all made (not graded: ${list})`;
}

/** One row of results: what a policy of an arm reached on one split. */
export interface ResultRow {
  readonly arm: string;
  readonly policy: string;
  readonly split: string;
  readonly result: SplitResult;
}

/** Every result of a sweep in the order of the arms, their policies and the splits. */
export function resultRows(summary: Summary): ResultRow[] {
  return summary.arms.flatMap((arm) =>
    Object.entries(arm.policies).flatMap(([policy, splits]) =>
      Object.entries(splits).map(([split, result]) => ({ arm: arm.name, policy, split, result })),
    ),
  );
}

/** The splits that occur, in order of appearance. */
export function splitsOf(summary: Summary): string[] {
  return [...new Set(resultRows(summary).map((row) => row.split))];
}
