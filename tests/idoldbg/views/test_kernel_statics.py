"""Statics of the kernel that a dump lacks, or that kernels have in their own way."""

from __future__ import annotations

import struct

import pytest

from idoldbg.errors import DebugInfoError, FaultError
from idoldbg.model.types import Type
from idoldbg.views.tasks import table_address
from tests.idoldbg.typegen import U8, U32, make_array
from tests.idoldbg.views.made_statics import Statics, program_of


def test_a_task_table_that_the_dump_lacks_is_not_the_kernel_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kernels of 2021 point to the table; a dump may lack the pointer."""
    program = program_of(monkeypatch, b"")
    info = Statics(("kern::task::TASK_TABLE_BASE", U32))
    monkeypatch.setattr(program, "object", lambda name: info)
    with pytest.raises(FaultError, match=r"0x20000000 \(TASK_TABLE_BASE\) is not there"):
        table_address(program)
    with pytest.raises(DebugInfoError, match="has no HUBRIS_TASK_TABLE_SPACE"):
        table_address(program_of(monkeypatch, b""))


@pytest.mark.parametrize(
    ("size", "memory", "message"),
    [
        (8, b"stopped." + b"not part of it", "stopped."),
        (8, b"halt\0\0\0\0" + b"not part of it", "halt"),
        (200, b"x" * 150 + bytes(50), "x" * 150),
        (0, b"not part of it", ""),
        (64, b"short", "the kernel has panicked; its message cannot be read"),
        (None, b"", "the kernel has panicked, and keeps no message"),
    ],
)
def test_the_epitaph_is_as_long_as_the_kernel_has_it(
    monkeypatch: pytest.MonkeyPatch, size: int | None, memory: bytes, message: str
) -> None:
    statics: list[tuple[str, Type]] = [("kern::fail::KERNEL_HAS_FAILED", U32)]
    if size is not None:
        statics.append(("kern::fail::KERNEL_EPITAPH", make_array(U8, size)))
    program = program_of(monkeypatch, struct.pack("<I", 1) + memory)
    info = Statics(*statics)
    monkeypatch.setattr(program, "object", lambda name: info)
    assert program.epitaph() == message
