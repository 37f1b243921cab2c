// The one record behind all outputs of a sweep: results/<sweep>/summary.json, the table, the CSV and the page. Field names are a
// promise (DESIGN.md section 7). Types only: knows nothing of how anything is drawn.
import type { Json } from "../lib/hash.ts";

export interface Summary {
  readonly name: string;
  readonly description: string;
  readonly configDigest: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly device: string;
  readonly dtype: string;
  readonly flavour: "torch" | "mock";
  readonly arms: readonly ArmSummary[];
  readonly comparisons: readonly Comparison[];
  readonly claims: readonly ClaimResult[];
  /** Claims over several seeds, each with one verdict for all of them; absent in records of versions that did not write it. */
  readonly pooled?: readonly PooledClaim[];
  /** Claims without a verdict on all they compare; absent in records of versions that did not write it. */
  readonly unjudged?: readonly UnjudgedClaim[];
  /** Canonical keys that two splits share, by pair of splits ("train/seen"); 0 everywhere in a sound run. */
  readonly overlap: Readonly<Record<string, number>>;
  readonly provenance: Json;
  readonly failures: readonly Failure[];
}

/** A stage that did not come to its end: what it was, why, where its log lies and the command that tries it again. */
export interface Failure {
  readonly stage: string;
  readonly cause: string;
  readonly log: string;
  readonly retry: string;
}

export interface ArmSummary {
  readonly name: string;
  readonly settings: Json;
  /** What the arm's training saw; null for a published checkpoint decoded as it is. */
  readonly budget: Budget | null;
  /** policy -> split -> result. */
  readonly policies: Record<string, Record<string, SplitResult>>;
  /** Stage -> key of its artefact in the store. */
  readonly keys: Readonly<Record<string, string>>;
}

export interface Budget {
  readonly steps: number;
  readonly examples: number;
  readonly directExamples: number;
  readonly backtrackExamples: number;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly parameters: number;
  readonly finalLoss: number;
}

export interface SplitResult {
  readonly n: number;
  readonly solved: number;
  readonly accuracy: number;
  /** 95% Wilson interval of the accuracy. */
  readonly interval: readonly [number, number];
  readonly solvedUsingAll: number;
  /** Tokens generated per problem, those of discarded completions included. */
  readonly tokensGenerated: { readonly mean: number; readonly median: number; readonly total: number };
  /** Error kind -> number of problems whose chosen answer has an error of this kind (several kinds: counted in each). */
  readonly errors: Readonly<Record<string, number>>;
  /** Error kind -> number of problems whose FIRST error is of this kind: adds up to the problems with an error. */
  readonly firstErrors: Readonly<Record<string, number>>;
}

/** Two policies (written arm/policy) on the same problems. */
export interface Comparison {
  readonly first: string;
  readonly second: string;
  readonly split: string;
  readonly n: number;
  readonly both: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  readonly neither: number;
  /** Accuracy of the first minus accuracy of the second. */
  readonly difference: number;
  readonly interval: readonly [number, number];
  /** Exact two-sided paired test (McNemar). */
  readonly pValue: number;
}

export type Verdict = "supported" | "refuted" | "inconclusive" | "underpowered";

interface JudgedClaim {
  readonly name: string;
  readonly statement: string;
  readonly split: string;
  readonly verdict: Verdict;
  readonly required: boolean;
  readonly explanation: string;
}

export interface ClaimResult extends JudgedClaim {
  readonly comparison: Comparison;
}

/** A claim over all seeds of a point of the sweep. */
export interface PooledClaim extends JudgedClaim {
  readonly seeds: readonly number[];
  /** Of each seed, in their order. */
  readonly differences: readonly number[];
  /** Their mean. */
  readonly difference: number;
  /** Student's t over the seeds, 95%; not narrower than the problems alone allow. */
  readonly interval: readonly [number, number];
  /** Names of the claims, one for each seed, that it pools; where they are required, its verdict decides. */
  readonly claims: readonly string[];
}

/** A claim of which at least one pair of policies was not graded on both sides (not run, not yet, or failed). */
export interface UnjudgedClaim {
  readonly name: string;
  readonly required: boolean;
  /** Pairs of arms that the claim speaks of, and those of them without a verdict. */
  readonly pairs: number;
  readonly left: number;
  /** The policies (written arm/policy) that are not graded. */
  readonly missing: readonly string[];
}

/** A point of a training curve. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** One completion in the search tree of an attempt. */
export interface SampleNode {
  readonly id: number;
  readonly parent: number | null;
  readonly round: number;
  /** What this node added to its parent's text. */
  readonly text: string;
  /** The whole response up to and with this node; error spans count in it. */
  readonly full: string;
  readonly tokens: number;
  readonly score: number | null;
  readonly chosen: boolean;
  readonly candidate: boolean;
  /** In a word or two: what the grader or the policy made of it. */
  readonly verdict: string;
}

export interface SampleError {
  readonly kind: string;
  readonly step: number;
  /** Characters [from, to) of the chosen node's `full`. */
  readonly span: readonly [number, number];
  readonly message: string;
}

/** All that a policy did for one problem. */
export interface SampleTree {
  readonly arm: string;
  readonly policy: string;
  readonly split: string;
  readonly problem: Json;
  readonly prompt: string;
  readonly solved: boolean;
  readonly nodes: readonly SampleNode[];
  readonly errors: readonly SampleError[];
}

export interface ReportExtras {
  /** Arm (or model) name -> training curve. */
  readonly losses: Record<string, readonly LossPoint[]>;
  readonly samples: readonly SampleTree[];
}
