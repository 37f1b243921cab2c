# The figures of bench/gpu.py as Markdown, from the records that its parts left. Ratios are of figures of one
# run; nothing here is known beforehand but the matrix rate of a data sheet.
"""Tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
Estimates = Callable[[list[Row]], list[float | None]]

# Dense bf16 matrix rate by data sheet, FLOP/s, by a part of the device's name.
SHEETS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
# Real tokens of the published run: 500,000 examples, 3 epochs, 42.2 tokens each.
PUBLISHED_TOKENS = 500_000 * 3 * 42.2
GIB = 2**30


def table(records: list[Row], estimates: Estimates) -> str:
    """All that the records tell."""
    if not records:
        return "Nothing was measured."
    about = records[0]["about"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    where = "; ".join(about["gpus"]) or about["device"]
    head = (
        f"{where}; {about['host']}, {about['cores']} cores; {versions}; commit {about['commit']}, "
        f"sources {about['sources']}, {about['date']}."
    )
    states = _grid(
        ["part", "status", "seconds"],
        [[one["part"], one["status"], str(one.get("seconds", ""))] for one in records],
    )
    rows = [row for one in records for row in one["rows"]]
    sections = [
        head,
        states,
        _checks(rows),
        _decoding(rows, estimates),
        _training(rows, estimates, where),
        _engines(rows),
        _scoring(rows),
        _failures(rows),
    ]
    return "\n\n".join(section for section in sections if section)


def _grid(head: list[str], lines: list[list[str]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) if lines else ""


def _of(rows: list[Row], do: str) -> list[Row]:
    return [row for row in rows if row["cell"]["do"] == do and "failed" not in row]


def _checks(rows: list[Row]) -> str:
    tests = _of(rows, "tests")
    if not tests:
        return ""
    counts = {
        outcome: sum(row["outcome"] == outcome for row in tests)
        for outcome in ("passed", "failed", "skipped")
    }
    text = "Checks: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + "."
    told = [row for row in tests if row["outcome"] != "passed"]
    return "\n".join(
        [text, *(f"* {row['outcome']}: {row['test']}: {_last_line(row['message'])}" for row in told)]
    )


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")[:200]


def _failures(rows: list[Row]) -> str:
    failed = [row for row in rows if "failed" in row]
    return (
        "\n".join(["Failed cells:", *(f"* {row['cell']}: {row['failed']}" for row in failed)])
        if failed
        else ""
    )


def _memory(rows: list[Row], asked: Callable[[Row], Row], estimates: Estimates) -> list[list[str]]:
    """Peak measured, and what `plan` says, in GiB."""
    on_gpu = [row for row in rows if "peakBytes" in row]
    said = (
        dict(zip(map(id, on_gpu), estimates([asked(row) for row in on_gpu]), strict=True)) if on_gpu else {}
    )
    cells = []
    for row in rows:
        found = said.get(id(row))
        peak = f"{row['peakBytes'] / GIB:.1f}" if "peakBytes" in row else ""
        cells.append([peak, "" if found is None else f"{found / GIB:.1f}"])
    return cells


def _decode_need(row: Row) -> Row:
    model = row["model"]
    slots = {"slots": row["cell"]["slots"], "tokens": row["longest"]}
    return {"kind": "decode", "config": model["config"], "compute": model["dtype"], **slots}


def _decoding(rows: list[Row], estimates: Estimates) -> str:
    paper = _of(rows, "paper")
    published = {_key(row["cell"]): row["problems"] / row["wall"] for row in _of(rows, "published")}
    lines = []
    for row, memory in zip(paper, _memory(paper, _decode_need, estimates), strict=True):
        cell, rate, tokens = row["cell"], row["problems"] / row["wall"], row["tokens"] / row["wall"]
        other = published.get(_key(cell))
        whole = f"{cell['problems'] / rate:.0f} s" + (
            "" if row["problems"] == cell["problems"] else " (extrapolated)"
        )
        limit = row.get("roofline")
        lines.append(
            [
                f"{cell['shape']}, N={cell['samples']}, b={cell['b']}, {cell['slots']} slots",
                f"{row['problems']} in {row['wall']:.1f} s",
                whole,
                f"{rate:.4g}",
                f"{row['tokens']} of {row['scheduled']}",
                f"{tokens:.0f}",
                "" if limit is None else f"{limit:.0f} ({tokens / limit:.0%})",
                "" if other is None else f"{rate / other:.0f}",
                f"{row['cpu'] / row['wall']:.0%}",
                *memory,
            ]
        )
    head = ["decoding", "problems", "all asked for", "problems/s", "tokens made of scheduled", "tokens/s"]
    head += ["roofline (share)", "times the published decoder", "one CPU busy", "peak GiB", "plan says GiB"]
    return "\n\n".join(text for text in (_rates(rows), _grid(head, lines), _published(rows)) if text)


def _rates(rows: list[Row]) -> str:
    found = [(row["bytesPerSecond"] / 1e9, row["flopPerSecond"] / 1e12) for row in _of(rows, "rates")]
    return " ".join(f"Copy {copy:.0f} GB/s, matrix product {matrix:.1f} TFLOP/s." for copy, matrix in found)


def _published(rows: list[Row]) -> str:
    lines = [
        [
            _shown(row["cell"]),
            str(row["problems"]),
            f"{row['wall']:.1f}",
            f"{row['problems'] / row['wall']:.3g}",
        ]
        for row in _of(rows, "published")
    ]
    return _grid(["the published decoder's way", "problems", "seconds", "problems/s"], lines)


def _key(cell: Row) -> tuple[str, int, int]:
    return cell["shape"], cell["samples"], cell["b"]


def _shown(cell: Row) -> str:
    return f"{cell['shape']}, N={cell['samples']}, b={cell['b']}"


def _train_need(row: Row) -> Row:
    cell = row["cell"]
    sizes = {"microTokens": cell["tokens"], "checkpointing": cell["gradientCheckpointing"]}
    shape = {"config": row["config"], "vocabulary": row["vocabulary"], "compute": cell["dtype"]}
    return {"kind": "train", **shape, **sizes}


def _training(rows: list[Row], estimates: Estimates, where: str) -> str:
    ours, recipes = _of(rows, "train"), _of(rows, "recipe")
    theirs = {row["cell"]["shape"]: row["realTokens"] / row["wall"] for row in recipes}
    sheet = next((rate for name, rate in SHEETS.items() if name in where), None)
    lines = []
    for row, memory in zip(ours, _memory(ours, _train_need, estimates), strict=True):
        cell, rate = row["cell"], row["realTokens"] / row["wall"]
        flops, other = rate * row["flopsPerToken"], theirs.get(cell["shape"])
        computed = flops - rate * _headless_flops(row)
        ways = [cell["dtype"], *(["compiled"] if cell["compile"] else [])]
        ways += ["checkpointing"] if cell["gradientCheckpointing"] else []
        lines.append(
            [
                f"{cell['shape']}, {', '.join(ways)}, {cell['passes']} x {cell['tokens']} tokens a step",
                f"{rate:.0f}",
                "" if sheet is None else f"{flops / sheet:.1%}",
                "" if sheet is None else f"{computed / sheet:.1%}",
                f"{flops / row['matrixRate']:.1%}",
                f"{PUBLISHED_TOKENS / rate / 60:.1f}",
                "" if other is None else f"{rate / other:.2f}",
                f"{row['warmSeconds']:.0f} s",
                f"{row['losses'][0]:.3f} to {row['losses'][-1]:.3f}",
                *memory,
            ]
        )
    for row in recipes:
        rate = row["realTokens"] / row["wall"]
        padding = 1 - row["realTokens"] / row["paddedTokens"]
        cell = row["cell"]
        lines.append(
            [
                f"{cell['shape']}, published recipe, {cell['batch']} examples a step, {padding:.0%} padding",
                *[f"{rate:.0f}", "", "", "", f"{PUBLISHED_TOKENS / rate / 60:.1f}", "", ""],
                f"{row['losses'][0]:.3f} to {row['losses'][-1]:.3f}",
                f"{row['peakOfProcess'] / GIB:.1f}",
                "",
            ]
        )
    head = ["training", "real tokens/s", "MFU by data sheet", "same, head where trained"]
    head += [
        "MFU by the rate measured",
        "minutes for the paper's run",
        "times the recipe",
        "first steps took",
        "loss",
        "peak GiB",
        "plan says GiB",
    ]
    return _grid(head, lines)


def _headless_flops(row: Row) -> float:
    """FLOP per token that MFU counts and nobody computes: the head at tokens that are not trained."""
    untrained = 1 - row["trainedTokens"] / row["realTokens"]
    return float(6 * row["config"]["hidden_size"] * row["vocabulary"] * untrained)


def _engines(rows: list[Row]) -> str:
    found = _of(rows, "engines")
    slow = {
        (row["shape"], row["samples"]): row["problems"] / row["wall"]
        for row in found
        if row["engine"] == "reference"
    }
    lines = []
    for row in found:
        rate, other = row["problems"] / row["wall"], slow.get((row["shape"], row["samples"]))
        times = "" if other is None else f"{rate / other:.1f}"
        name = f"{row['shape']}, N={row['samples']}"
        lines.append([name, row["engine"], f"{rate:.4g}", f"{row['tokens'] / row['wall']:.0f}", times])
    return _grid(["one round", "engine", "problems/s", "kept tokens/s", "times the published decoder"], lines)


def _scoring(rows: list[Row]) -> str:
    found = _of(rows, "score")
    plain = [row["wall"] / row["tokens"] for row in found if row["what"] == "score"]
    lines = []
    for row in found:
        cost = row["wall"] / row["tokens"]
        lines.append([row["shape"], row["what"], f"{1e6 * cost:.2f}", f"{cost / min(plain):.2f}"])
    return _grid(["score", "call", "us per token", "times the fastest score alone"], lines)
