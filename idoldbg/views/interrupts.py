"""Names of exceptions; interrupts of each task, and their notification bits.

`app.toml` names an interrupt by number or as `peripheral.name` (then `chip.toml` has the number),
and its notification by name, or as a mask in builds of format 4 (Hubris's
`build/xtask/src/config.rs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idoldbg.model.archive import Archive, TaskImage

__all__ = ["EXCEPTIONS", "interrupt_names", "task_interrupts"]

EXCEPTIONS = {
    2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 7: "SecureFault",
    11: "SVCall", 12: "DebugMonitor", 14: "PendSV", 15: "SysTick",
}  # fmt: skip
"""By number, those of the core (Armv8-M ARM, B3.8); interrupts follow from 16 on."""


def task_interrupts(archive: Archive, task: TaskImage) -> tuple[tuple[int, int], ...]:
    """Return (notification mask, interrupt number) pairs; what makes no sense is left out."""
    described = _mapping(_mapping(archive.app.get("tasks")).get(task.name)).get("interrupts")
    result = []
    for source, notification in _mapping(described).items():
        number = _interrupt_number(archive, source)
        mask = _notification_mask(task, notification)
        if number is not None and mask is not None:
            result.append((mask, number))
    return tuple(result)


def interrupt_names(archive: Archive) -> dict[int, str]:
    """Return `peripheral.name` of each interrupt that the chip's description has, by number."""
    found = {}
    for peripheral, described in archive.chip_description.items():
        for name, number in _mapping(_mapping(described).get("interrupts")).items():
            if isinstance(number, int):
                found[number] = f"{peripheral}.{name}"
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _interrupt_number(archive: Archive, source: str) -> int | None:
    if source.isdecimal():
        return int(source)
    peripheral, _, name = source.partition(".")
    interrupts = _mapping(archive.chip_description.get(peripheral)).get("interrupts")
    number = _mapping(interrupts).get(name)
    return number if isinstance(number, int) else None


def _notification_mask(task: TaskImage, notification: Any) -> int | None:
    if isinstance(notification, int):
        return notification
    if notification in task.notifications:
        return 1 << task.notifications.index(notification)
    return None
