# The way of small tensors to the device. Knows nothing of decoding.
"""Copies to the device."""

from __future__ import annotations

import torch


def to_device(host: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy on the device, which neither this call nor what the device is doing has to wait for."""
    if device.type != "cuda":
        return host.to(device)
    # From memory that is not pinned CUDA may wait until the device has done all that it was given. The
    # allocator of pinned memory keeps what is being copied, although nothing here holds it.
    return host.pin_memory().to(device, non_blocking=True)
