// What a training set is made from. Equal settings and seed give equal bytes.
import type { TrainDataSettings } from "../config/dataSettings.ts";

/** The `puzzle` section of a config: a family's name and its options, defaults filled in or not. */
export interface PuzzleChoice {
  readonly kind: string;
  readonly [option: string]: unknown;
}

export interface TrainSetSettings<Train extends TrainDataSettings = TrainDataSettings> {
  readonly puzzle: PuzzleChoice;
  readonly train: Train;
}

/** A training set: its settings and the root seed. */
export interface TrainSet<Train extends TrainDataSettings = TrainDataSettings> extends TrainSetSettings<Train> {
  readonly seed: number;
}
