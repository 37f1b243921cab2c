# Resident memory of this process. Never imports torch.
"""Memory figures."""

from __future__ import annotations

import os


def resident_bytes() -> int:
    """Resident memory of this process in bytes, 0 where /proc is missing."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
