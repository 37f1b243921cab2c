// forward_backward of the mock: a loss that falls with the step and depends a little on the rows; the same refusals as the
// torch worker's. Packing changes nothing, as it must not.
import type { IncomingBins } from "../../protocol/codec.ts";
import type { Params, Result } from "../../protocol/primitives.ts";
import { numbers, sequences } from "./bins.ts";
import type { MockModel } from "./checkpoint.ts";
import type { MockDataset } from "./dataset.ts";
import { JobError } from "./jobError.ts";

type Sums = Result<"forward_backward">;

/** Throws JobError("bad-request"). */
export function forwardMock(
  model: MockModel,
  datasets: ReadonlyMap<string, MockDataset>,
  params: Params<"forward_backward">,
  bins: IncomingBins,
): Sums {
  const { loss, policy } = params;
  if ((loss === "policy_gradient") !== (policy !== undefined))
    throw new JobError("bad-request", `loss "${loss}" ${policy ? "takes no" : "needs"} \`policy\``);
  const base = 0.3 + 2.5 * Math.exp(-model.step / 40);
  if (params.dataset === undefined) return inline(base, policy, bins);
  if (policy) throw new JobError("bad-request", "policy_gradient takes inline sequences, not rows of a dataset");
  const dataset = datasets.get(params.dataset);
  if (!dataset) throw new JobError("bad-request", `dataset "${params.dataset}" is not loaded in this session`);
  return byRow(base, model, dataset, params.dataset, bins);
}

function inline(base: number, policy: Params<"forward_backward">["policy"], bins: IncomingBins): Sums {
  const lengths = sequences(bins).map((sequence) => sequence.length);
  const weights = numbers(bins, "tokenWeights", "float32");
  const trained = weights.filter((weight) => weight !== 0);
  const sums = {
    loss: base * trained.reduce((sum, weight) => sum + weight, 0),
    nll: base * trained.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    trainedTokens: trained.length,
  };
  if (!policy) return sums;
  for (const name of ["advantages", "oldLogprobs", ...(policy.kl > 0 ? ["refLogprobs"] : [])]) {
    const count = numbers(bins, name, "float32").length;
    if (count !== sums.tokens) throw new JobError("bad-request", `${sums.tokens} tokens and ${count} ${name}`);
  }
  return { ...sums, kl: policy.kl > 0 ? 0.01 * trained.length : 0, clipped: Math.floor(trained.length / 10) };
}

function byRow(base: number, model: MockModel, dataset: MockDataset, name: string, bins: IncomingBins): Sums {
  const weights = numbers(bins, "weights", "float32");
  const rows = numbers(bins, "rows", "int32");
  if (weights.length !== rows.length)
    throw new JobError(
      "bad-request",
      `bin "weights" holds ${weights.length} weights for ${rows.length} rows; there must be one each`,
    );
  const sums = { loss: 0, nll: 0, tokens: 0, trainedTokens: 0 };
  for (const [position, index] of rows.entries()) {
    const row = dataset.rows[index];
    if (!row) throw new JobError("bad-request", `row ${index} does not exist: ${name} has ${dataset.rows.length}`);
    const nll = base * (1 + 0.1 * (row.flavour - 0.5));
    sums.loss += (weights[position] as number) * nll * row.trained;
    sums.nll += nll * row.trained;
    sums.tokens += row.length;
    sums.trainedTokens += row.trained;
    model.backtrack ||= row.holdsAddedToken;
    model.format = dataset.format;
  }
  return sums;
}
