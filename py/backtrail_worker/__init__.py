# The torch worker of Backtrail. Nothing here imports torch; the sub-packages model, train, decode, data and
# core may.
"""Backtrail's torch worker."""

__version__ = "0.1.0"
