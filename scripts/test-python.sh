#!/bin/sh
# The Python half of `npm test`: format, lint, types, dead code, tests.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PYTHONPATH=py
"$bin/ruff" format --check py test/py bench
"$bin/ruff" check py test/py bench
"$bin/mypy" --strict py/backtrail_worker py/backtrail_probe
"$bin/python" -m pytest -q test/py
