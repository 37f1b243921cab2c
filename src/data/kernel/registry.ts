// The kernels there are: an explicit table, asked in order.
import type { Draws } from "../draws.ts";
import type { TrainSet } from "../settings.ts";
import { graphKernel } from "./graphKernel.ts";
import type { LineMaker } from "./lineMaker.ts";
import { sosKernel } from "./sosKernel.ts";

/** A kernel answers undefined for settings that it does not know to the letter. */
const kernels: readonly ((set: TrainSet, draws: Draws) => LineMaker | undefined)[] = [graphKernel, sosKernel];

/** The fast maker of these settings' lines, if there is one. `draws` are the set's. */
export function kernelFor(set: TrainSet, draws: Draws): LineMaker | undefined {
  for (const kernel of kernels) {
    const maker = kernel(set, draws);
    if (maker) return maker;
  }
  return undefined;
}
