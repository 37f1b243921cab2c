# The other side of bench/train.ts and bench/gpu.py: the published recipe. HF Trainer, float32, gradient
# checkpointing, padded batches, the head at every position. Same JSON lines as train_direct.py; all rows come
# with `open`, and `steps` lets the Trainer go on for `count` steps.
"""python train_reference.py <device> <threads>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

from backtrail_worker.__main__ import set_thread_environment, settle_memory

from train_direct import Clock


def run(device: str, answers: Any) -> None:
    """Trains under command until stdin ends. `widths`: what each row is padded to, at least."""
    import torch
    import torch.nn.functional as F
    import transformers
    from backtrail_worker.data.dataset import build
    from backtrail_worker.model.load import load
    from backtrail_worker.protocol import read_params

    wanted = json.loads(sys.stdin.readline())
    spec = read_params("load_model", wanted["load"])
    # Weights are drawn on the device, as in train_direct.py.
    with torch.device(device):
        loaded = load(spec.model, torch.float32, torch.device(device))  # type: ignore[attr-defined]
    described = loaded.described
    data = build(
        read_params("load_dataset", wanted["dataset"]),  # type: ignore[arg-type]
        described.text,
        described.end,
        lambda _: None,
    )

    def example(row: int) -> dict[str, torch.Tensor]:
        tokens = torch.from_numpy(data.tokens[data.starts[row] : data.starts[row + 1]]).long()
        trained = torch.from_numpy(data.mask[data.starts[row] : data.starts[row + 1]]).bool()
        return {
            "row": torch.tensor(row),
            "input_ids": tokens,
            "labels": tokens.masked_fill(~trained, -100),
        }

    def collate(examples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        width = max(wanted["widths"][int(one["row"])] for one in examples)
        pad = {"input_ids": described.pad, "labels": -100}
        return {
            name: torch.stack(
                [F.pad(one[name], (0, width - len(one[name])), value=value) for one in examples]
            )
            for name, value in pad.items()
        }

    losses: list[torch.Tensor] = []

    class Recipe(transformers.Trainer):
        def compute_loss(self, *args: Any, **more: Any) -> Any:
            loss = super().compute_loss(*args, **more)
            losses.append(loss.detach())
            return loss

    class Commands(transformers.TrainerCallback):
        """Holds the Trainer between rounds and times it within."""

        left = 0
        clock = Clock(device)

        def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if self.left > 0:
                return
            line = sys.stdin.readline()
            if not line:
                sys.exit(0)
            self.left = json.loads(line)["count"]
            losses.clear()
            self.clock = Clock(device)

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.left -= 1
            if self.left > 0:
                return
            answer = self.clock.read() | {"losses": [float(loss) for loss in losses]}
            print(json.dumps(answer), file=answers, flush=True)

    steps, adam = wanted["rows"], wanted["adam"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=len(steps[0]),
            max_steps=len(steps),
            gradient_checkpointing=True,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            learning_rate=adam["learningRate"],
            adam_beta1=adam["beta1"],
            adam_beta2=adam["beta2"],
            adam_epsilon=adam["epsilon"],
            weight_decay=adam["weightDecay"],
            max_grad_norm=adam["clipNorm"],
            lr_scheduler_type="constant",
            train_sampling_strategy="sequential",
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=device == "cpu",
        )
        trainer = Recipe(
            model=loaded.model,
            args=arguments,
            train_dataset=[example(row) for rows in steps for row in rows],
            data_collator=collate,
            callbacks=[Commands()],
        )
        print(json.dumps({"ready": True}), file=answers, flush=True)
        trainer.train()


def main() -> None:
    """Answers go to stdout alone; what the library prints goes to stderr."""
    device, threads = sys.argv[1], int(sys.argv[2])
    set_thread_environment(threads)
    settle_memory()
    answers, sys.stdout = sys.stdout, sys.stderr
    if threads > 0:
        import torch

        torch.set_num_threads(threads)
    run(device, answers)


if __name__ == "__main__":
    main()
