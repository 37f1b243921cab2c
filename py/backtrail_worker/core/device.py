# What the device has, asked of the driver and the operating system before torch is loaded, so that hello can
# tell it. Rough on purpose: the coordinator refuses by it only what can never fit. Never imports torch.
"""Memory and number of GPUs."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

# One of them is there wherever PyTorch may find a GPU: NVIDIA's driver, AMD's, Windows' under WSL.
GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class DeviceFacts:
    """Memory in all, in bytes, and GPUs; None where it cannot be told."""

    memory_bytes: int | None
    gpus: int | None


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def device_facts(
    device: str, visible: str | None, driver: Any = None, order: str | None = None
) -> DeviceFacts:
    """
    Of "cpu": the machine's memory and no GPU. Of "auto" and "cuda...": the GPUs that `visible`
    (CUDA_VISIBLE_DEVICES) lets through, their memory summed. None without a driver that can be asked.
    """
    if device == "cpu" or (device == "auto" and driver is None and not any(map(os.path.exists, GPU_NODES))):
        return DeviceFacts(machine_bytes(), 0)
    driver = driver or _nvml()
    if driver is None:
        return DeviceFacts(None, None)
    if driver.nvmlInit_v2() != 0:
        return DeviceFacts(None, None)
    try:
        names = _names(driver, visible)
        sizes = [_memory_of(driver, name) for name in names]
        unequal = len({_memory_of(driver, name) for name in _names(driver, None)}) > 1
    finally:
        driver.nvmlShutdown()
    if not sizes and device == "auto":
        return DeviceFacts(machine_bytes(), 0)
    # CUDA counts the fastest first, the driver by bus: with unequal GPUs a number may name another.
    if unequal and order != "PCI_BUS_ID" and any(name.isdigit() for name in names):
        return DeviceFacts(None, len(sizes))
    known = [size for size in sizes if size is not None]
    return DeviceFacts(sum(known) if len(known) == len(sizes) else None, len(sizes))


def device_name(device: str, facts: DeviceFacts) -> str:
    """What "auto" will turn out to be, "auto" where that cannot be told yet; any other name is its own."""
    if device != "auto" or facts.gpus is None:
        return device
    return "cuda" if facts.gpus > 0 else "cpu"


def machine_bytes() -> int | None:
    """Memory of this machine, or the limit of the container that we run in if that is less."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    for path in CGROUP_LIMITS:
        try:
            with open(path, encoding="ascii") as file:
                return min(physical, int(file.read()))
        except (OSError, ValueError):
            # Not there, or "max".
            continue
    return physical


def _nvml() -> Any:
    try:
        return ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None


def _names(driver: Any, visible: str | None) -> list[str]:
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip()]
        # CUDA stops at the first entry that is none: "-1" hides all behind it.
        return names[: names.index("-1")] if "-1" in names else names
    count = ctypes.c_uint()
    found = driver.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
    return [str(index) for index in range(count.value)] if found else []


def _memory_of(driver: Any, name: str) -> int | None:
    handle = ctypes.c_void_p()
    if name.isdigit():
        found = driver.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(name)), ctypes.byref(handle))
    else:
        found = driver.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle))
    memory = _Memory()
    if found != 0 or driver.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
        return None
    return int(memory.total)
