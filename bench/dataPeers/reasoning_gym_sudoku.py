"""reasoning-gym's Sudoku generator, timed, from its unpacked wheel or a clone.

    python reasoning_gym_sudoku.py SECONDS FOLDER MIN_EMPTY MAX_EMPTY

FOLDER holds `reasoning_gym/`. Prints items per CPU second. An item is what the dataset gives (question,
answer, metadata) as a JSON line; it has no trace and no canonical key, which favours it.
"""

import importlib
import json
import sys
import time
import types
from pathlib import Path


def main() -> None:
    seconds, folder, low, high = float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    # The packages' own __init__ import every game and all that these depend on; the Sudoku needs none of it.
    for name in ["reasoning_gym", "reasoning_gym.games"]:
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    sudoku = importlib.import_module("reasoning_gym.games.sudoku")
    # Its random stream is seed + index: indices are its items.
    config = sudoku.SudokuConfig(min_empty=low, max_empty=high, seed=1, size=1_000_000)
    dataset = sudoku.SudokuDataset(config)
    count = 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        json.dumps(dataset[count])
        count += 1
    print(count / (time.process_time() - start))


if __name__ == "__main__":
    main()
