"""The published Stream of Search generator, timed: the loop of its countdown_generate.py, 4 numbers.

    python sos_countdown.py SECONDS CLONE SEED

CLONE is a clone of its repository. Prints items per CPU second as the last line. An item is what the
published script keeps of one problem, dumped as JSON as there. Tokens are not counted (tiktoken's
vocabulary needs the network), which favours the published code.
"""

import json
import random
import sys
import time
import types
from pathlib import Path


def main() -> None:
    seconds, clone, seed = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    sys.path.insert(0, str(Path(clone) / "src"))
    # The modules import it at their top and use it in their demonstrations alone.
    sys.modules.setdefault("tiktoken", types.ModuleType("tiktoken"))
    from countdown import CountDown
    from countdown_bfs import bfs
    from countdown_dfs import dfs
    from countdown_utils import mult_heuristic, simple_rating, sum_heuristic

    random.seed(seed)
    targets = list(range(10, 101))
    random.shuffle(targets)
    train_targets = targets[len(targets) // 10 :]
    samples: list[dict[str, object]] = []
    characters = 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        countdown = CountDown(100, 4)
        target = random.choice(train_targets)
        nums, solution = countdown.generate(target)
        optimal_path = countdown.convert_to_path(target, nums, solution)
        heuristic = random.choice([sum_heuristic, mult_heuristic])
        if random.choice([dfs, bfs]) is dfs:
            search_type = "dfs"
            search_path = dfs(target, nums, heuristic=heuristic, threshold=target)
        else:
            beam_size = random.choice([1, 2, 3, 4, 5])
            search_type = f"bfs_{beam_size}"
            search_path = bfs(target, nums, beam_size, heuristic=heuristic)
        solved = "Goal Reached" in search_path
        characters += len(search_path)
        samples.append(
            {
                "nums": nums,
                "target": target,
                "solution": solution,
                "search_path": search_path,
                "rating": max(0.0, 1.0 - simple_rating(search_path) / 1152) if solved else 0.0,
                "search_type": search_type,
                "optimal_path": optimal_path,
                "heuristic": heuristic.__name__,
            }
        )
    json.dumps(samples, indent=4)
    spent = time.process_time() - start
    print(f"{characters / len(samples):.0f} characters a trace")
    print(len(samples) / spent)


if __name__ == "__main__":
    main()
