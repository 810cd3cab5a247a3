"""Faults in words: those that no board of ours gives."""

from __future__ import annotations

from typing import Any

import pytest

from idoldbg.build.program import Program
from idoldbg.session import TargetOptions, open_program
from idoldbg.views.tasks import explain_fault


@pytest.fixture(scope="module")
def program() -> Program:
    return open_program(TargetOptions(board="stm32f4-discovery"))


@pytest.mark.parametrize(
    ("info", "message", "words"),
    [
        ("Panic", "panicked at main.rs:1:\n  no", "panicked at main.rs:1: no"),
        ("Panic", "", "panic without a message"),
        ("Panic", None, "panic with invalid message"),
        ({"StackOverflow": {"address": 0x20001FF0}}, None, "stack overflow; sp=0x20001ff0"),
        (
            {"BusError": {"address": None, "source": "User"}},
            None,
            "bus fault (imprecise) in task code",
        ),
        (
            {"MemoryAccess": {"address": 16, "source": "Kernel"}},
            None,
            "mem fault (precise: 0x10) in syscall",
        ),
        ({"InvalidOperation": 0x10000}, None, "general fault, cfsr=0x10000"),
        ({"Injected": 2}, None, "killed by spi/gen0"),
        ({"SyscallUsage": "NoIrq"}, None, "in syscall: referred to undefined interrupt"),
        ({"SyscallUsage": "Newer"}, None, "in syscall: Newer"),
        ({"FromServer": [2, "UndefinedOperation"]}, None, "spi/gen0: UndefinedOperation"),
        ("Newer", None, "unknown fault 'Newer'"),
    ],
)
def test_words(program: Program, info: Any, message: str | None, words: str) -> None:
    assert words in explain_fault(program, info, message).words
