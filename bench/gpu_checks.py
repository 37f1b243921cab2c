# The first part of bench/gpu.py: the tests that need a GPU (test/py/test_cuda.py), one line for each.
"""python gpu_checks.py <device> <threads> <folder> <cells as JSON>; needs py/ on PYTHONPATH."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent / "test" / "py" / "test_cuda.py"


class Lines:
    """A pytest plugin that writes each test's outcome as a JSON line as soon as it is known."""

    def __init__(self, answers: Any, cell: dict[str, Any]) -> None:
        self._answers, self._cell = answers, cell

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Failures of a set-up count too; passed and skipped once."""
        if report.when != "call" and report.outcome == "passed":
            return
        said = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr or "")
        row = {"cell": self._cell, "test": report.nodeid.split("::")[-1], "outcome": report.outcome}
        row |= {"seconds": round(report.duration, 2), "message": said[-600:]}
        print(json.dumps(row), file=self._answers, flush=True)


def main() -> None:
    """Runs the tests on the device."""
    device, cells = sys.argv[1], json.loads(sys.argv[4])
    os.environ["BACKTRAIL_TEST_DEVICE"] = device
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        import pytest
    except ImportError:
        raise SystemExit("the checks need pytest in this Python; the other parts do not") from None
    for cell in cells:
        flags = ["-q", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent), str(TESTS)]
        flags += ["-k", cell["select"]] if cell["select"] else []
        code = pytest.main(flags, plugins=[Lines(answers, cell)])
        if code not in (0, 1):
            raise SystemExit(f"pytest ended with {int(code)}: no test was run to its end")


if __name__ == "__main__":
    main()
