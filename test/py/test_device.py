# What hello tells of the device, asked of a driver that is played here: no GPU is needed.
from __future__ import annotations

from typing import Any

import pytest
from backtrail_worker.core import device as device_module
from backtrail_worker.core.device import DeviceFacts, device_facts, device_name, machine_bytes

GIB = 1 << 30


class Driver:
    """NVML of a machine with two GPUs of 10 and 20 GiB; the second has a UUID."""

    sizes = (10 * GIB, 20 * GIB)

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.open = 0

    def nvmlInit_v2(self) -> int:
        self.open += self.start == 0
        return self.start

    def nvmlShutdown(self) -> int:
        self.open -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = len(self.sizes)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        handle._obj.value = index.value + 1
        return 0 if index.value < len(self.sizes) else 2

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:
        handle._obj.value = 2
        return 0 if name == b"GPU-second" else 6

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        memory._obj.total = self.sizes[handle.value - 1]
        return 0


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        (None, DeviceFacts(30 * GIB, 2)),
        ("1", DeviceFacts(20 * GIB, 1)),
        (" GPU-second , 0", DeviceFacts(30 * GIB, 2)),
        ("0,-1,1", DeviceFacts(10 * GIB, 1)),
        ("GPU-none", DeviceFacts(None, 1)),
        ("", DeviceFacts(machine_bytes(), 0)),
    ],
)
def test_visible_gpus_are_counted_and_their_memory_summed(visible: str | None, wanted: DeviceFacts) -> None:
    driver = Driver()
    assert device_facts("auto", visible, driver, order="PCI_BUS_ID") == wanted
    assert driver.open == 0


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        (None, DeviceFacts(None, 2)),
        ("1", DeviceFacts(None, 1)),
        ("GPU-second", DeviceFacts(20 * GIB, 1)),
    ],
)
def test_of_unequal_gpus_in_an_order_of_cudas_own_numbers_tell_no_memory(
    visible: str | None, wanted: DeviceFacts
) -> None:
    assert device_facts("auto", visible, Driver()) == wanted


def test_what_cannot_be_told_is_unknown() -> None:
    assert device_facts("auto", None, Driver(start=999)) == DeviceFacts(None, None)
    assert device_facts("cpu", "0,1", Driver()) == DeviceFacts(machine_bytes(), 0)
    assert (machine_bytes() or 0) > 1 << 28


def test_a_machine_without_a_gpu_node_is_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "GPU_NODES", ("/nowhere/nvidiactl",))
    assert device_facts("auto", None) == DeviceFacts(machine_bytes(), 0)
    monkeypatch.setattr(device_module, "GPU_NODES", ("/dev/null",))
    monkeypatch.setattr(device_module, "_nvml", lambda: None)
    assert device_facts("auto", None) == DeviceFacts(None, None)


def test_auto_is_told_by_the_name_of_what_it_will_be() -> None:
    assert device_name("auto", device_facts("auto", "1", Driver())) == "cuda"
    assert device_name("auto", device_facts("auto", "", Driver())) == "cpu"
    assert device_name("auto", DeviceFacts(None, None)) == "auto"
    assert device_name("cuda:1", DeviceFacts(None, None)) == "cuda:1"
