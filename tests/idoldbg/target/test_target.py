"""Capabilities of each kind of target, and its refusals."""

from __future__ import annotations

import pytest

from idoldbg.build.load.dump_file import DumpFile
from idoldbg.errors import LinkError, Unsupported
from idoldbg.model.memory import Clock, MemoryImage, MemoryReader, MemoryWriter, Segment
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.capability import Flash, Halting, Registers, ResetControl, RunControl
from idoldbg.target.dump import DumpLink, RegisterDumpLink
from idoldbg.target.link import BaseLink
from idoldbg.target.recording import SCHEMA
from idoldbg.target.replay import ReplayLink
from idoldbg.target.target import Target
from idoldbg.target.turns import Turns

IMAGE = MemoryImage([Segment(0, b"abcd")])
DUMP = DumpFile(None, (), {"r0": 1}, None, None)
RUNNING = {MemoryReader, MemoryWriter, Clock, Registers, RunControl, Halting, ResetControl}
EVERYTHING = {*RUNNING, Flash}
FILES: list[tuple[BaseLink, set[type]]] = [
    (DumpLink(IMAGE, DUMP, path="core"), {MemoryReader}),
    (RegisterDumpLink(IMAGE, DUMP, path="core"), {MemoryReader, Registers}),
    (ReplayLink([f'{{"schema": "{SCHEMA}"}}'], "file"), RUNNING),
]


def check(target: Target, able: set[type]) -> None:
    for capability in EVERYTHING:
        assert target.can(capability) is (capability in able)
        if capability in able:
            assert isinstance(target.need(capability), capability)
            continue
        with pytest.raises(Unsupported, match=f"{target.spec} is a .*; use a probe ") as caught:
            target.need(capability)
        assert caught.value.capability
        assert caught.value.link == str(target.spec)


@pytest.mark.parametrize(("link", "able"), FILES, ids=lambda value: type(value).__name__)
def test_files(link: BaseLink, able: set[type]) -> None:
    check(Target(link), able)


@pytest.mark.parametrize("spec", ["emu", "pyocd:emu"])
def test_running_targets(spec: str) -> None:
    with open_session(TargetOptions(probe=spec)) as session:
        check(session.target, EVERYTHING)
        assert session.target.memory is session.link is session.program.memory
        assert str(session.target.spec) == spec


def test_a_wait_in_a_turn_that_was_given_up() -> None:
    with open_session(TargetOptions(probe="emu")) as session:
        turns, is_stopped = session.link.turns, False
        with turns.stopped_by(lambda: is_stopped), turns.turn, turns.names:
            session.link.wait(0.001)
            is_stopped = True
            with pytest.raises(LinkError, match="given up"):
                session.link.wait(0.001)
        session.link.wait(0.001)


def test_names_are_free_while_the_holder_waits() -> None:
    turns = Turns()
    held: list[bool] = []

    def wait() -> None:
        held.append(turns.names._is_owned())  # type: ignore[attr-defined]  # threading's own

    with turns.turn, turns.names:
        turns.wait(wait)
        assert held == [False]
        assert turns.names._is_owned()  # type: ignore[attr-defined]  # threading's own
        turns.alone(lambda: None)
        assert turns.names._is_owned()  # type: ignore[attr-defined]  # threading's own
