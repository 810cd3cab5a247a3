"""Messages to the kernel: every number, of the right size and of others."""

from __future__ import annotations

import pytest

from idoldbg.model.values import format_value
from idoldbg.opening import TargetOptions, open_program
from idoldbg.views.kernel_messages import KernelMessages
from tests.conftest import ARCHIVES


@pytest.fixture(scope="module")
def messages() -> KernelMessages:
    archive = ARCHIVES / "stm32f4-discovery.zip"
    return KernelMessages(open_program(TargetOptions(archive=str(archive))))


@pytest.mark.parametrize(
    ("code", "data", "name", "arguments"),
    [
        (1, b"\0\0\0\0", "read_task_status", "task: jefe"),
        (2, b"\1\0\0\0\1", "reinit_task", "task: hiffy, start: true"),
        (2, b"\1\0\0\0\0", "reinit_task", "task: hiffy, start: false"),
        (3, b"\x63\0\0\0", "fault_task", "task: 99"),
        (4, b"", "read_image_id", ""),
        (8, b"\1\0\0\0\2\0\0\0", "software_irq", "task: hiffy, notification: 2"),
        (9, b"\1\0\0\0", "find_faulted_task", "from: hiffy"),
        (7, bytes(12), "read_task_dump_region", None),
        (2, b"\1\0\0\0", "reinit_task", None),
        (1, b"", "read_task_status", None),
        (77, b"", "#77", None),
    ],
)
def test_arguments(
    messages: KernelMessages, code: int, data: bytes, name: str, arguments: str | None
) -> None:
    assert messages.name(code) == name
    found = messages.arguments(code, data)
    shown = None if found is None else ", ".join(f"{n}: {format_value(v)}" for n, v in found)
    assert shown == arguments


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (1, b"\0\0", "Healthy(Stopped)"),
        (1, b"\xff", None),
        (1, b"", None),
        (9, b"\0\0\0\0", "0"),
        (9, b"\2\0\0\0", "spi"),
        (9, b"\2", None),
        (10, b"oh\n\xff", '"oh\\n\N{REPLACEMENT CHARACTER}"'),
        (4, bytes(8), None),
    ],
)
def test_answers(messages: KernelMessages, code: int, data: bytes, expected: str | None) -> None:
    found = messages.answer(code, data)
    assert (None if found is None else format_value(found)) == expected
