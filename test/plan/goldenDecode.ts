// A decode stage small enough to be worked out by hand: three policies on one problem each, on a model that reads its
// completions from a table. Log-probabilities are halves and quarters, so that every sum is exact.
import { policySettings } from "../../src/config/schema.ts";
import { decode } from "../../src/decode/policies.ts";
import { completion, markers, type Script, ScriptedModel } from "../decode/models.ts";

const greedy: Script = { "g:": [completion("a\nGoal!", -0.5)] };

/** Two of the three say the same, which is not the likeliest. */
const vote: Script = {
  "v:": [completion("a\nGoal!", -0.25), completion("b\nGoal!", -0.5), completion("b\nGoal!", -0.5)],
};

/** Samples 0 and 2 go back to the same state; of what follows there, one reaches the goal and one beats it in likelihood only. */
const backtrack: Script = {
  "b:": [
    completion("a\nb\n<back>", -0.5),
    completion("c\nGoal!", -0.75),
    completion("a\nd\n<back>", -0.25),
    completion("d", -1, "end"),
  ],
  "b:a\n": [
    completion("e\nGoal!", -0.25),
    completion("", 0, "end"),
    completion("<back>", -0.5),
    completion("f\n", -0.125, "length"),
  ],
};

const runs = [
  { name: "greedy", script: greedy, settings: { policy: "greedy" } },
  { name: "vote", script: vote, settings: { policy: "best-of-n", samples: 3, select: "vote" } },
  { name: "b1", script: backtrack, settings: { policy: "self-backtrack", samples: 4, rounds: 1, maxNewTokens: 9 } },
] as const;

/** The lines of attempts.jsonl, each behind the generate requests that led to it, in the order in which they were made. */
export async function goldenDecode(): Promise<string> {
  const lines: string[] = [];
  for (const { name, script, settings } of runs) {
    const generator = new ScriptedModel(script);
    const prompt = Object.keys(script)[0] ?? "";
    await decode({
      generator,
      policy: policySettings.parse(settings),
      name,
      problems: [{ id: `p-${name}`, split: "seen", problem: {}, prompt }],
      markers,
      seed: 7,
      onAttempt: (attempt) => {
        const asked = generator.requests.map(({ prefix, request: { recorded: _, ...rest } }) => ({ ...rest, prefix }));
        lines.push(...asked.map((request) => JSON.stringify(request)), JSON.stringify(attempt));
      },
    });
  }
  return `${lines.join("\n")}\n`;
}
