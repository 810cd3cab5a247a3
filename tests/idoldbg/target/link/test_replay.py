"""Recorded traffic replays to the same answers, and to nothing else."""

from __future__ import annotations

import json

import pytest

from idoldbg.errors import FaultError, LinkError, Unsupported
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.link import Link
from idoldbg.target.replay import RecordingLink, ReplayLink

from .conftest import FLASH, RAM, FakeChip


def conversation(link: Link) -> list[object]:
    """Use every operation, failing ones included; return the answers."""
    answers: list[object] = [link.read(FLASH, 5)]
    link.write(RAM, b"kick")
    link.wait(0.25)
    answers += [link.read(RAM, 4), link.monotonic() >= 0.25]
    link.halt()
    with link.halted():
        answers.append(link.read_register("pc"))
    link.resume()
    link.reset()
    for failing in (lambda: link.read(0x30000000, 8), lambda: link.read_register("r99")):
        with pytest.raises((FaultError, LinkError)) as caught:
            failing()
        answers.append((type(caught.value), str(caught.value), getattr(caught.value, "size", 0)))
    return answers


def record(chip: FakeChip) -> tuple[list[str], list[object]]:
    lines: list[str] = []
    with RecordingLink(EmulatedLink(chip), lines.append) as link:
        return lines, conversation(link)


def test_replay_gives_the_same_answers(chip: FakeChip) -> None:
    lines, answers = record(chip)
    with ReplayLink(lines) as link:
        assert isinstance(link, Link)
        assert "emulated board (emu)" in link.description
        assert conversation(link) == answers
    assert answers[-1] == (Unsupported, "no register r99", 0)


def test_lines_are_json(chip: FakeChip) -> None:
    lines, _ = record(chip)
    assert json.loads(lines[0])["schema"] == "idoldbg.traffic/1"
    assert json.loads(lines[1]) == {
        "op": "read", "address": FLASH, "size": 5, "data": "00070e151c",
    }  # fmt: skip


def test_another_question_is_refused(chip: FakeChip) -> None:
    lines, _ = record(chip)
    with pytest.raises(LinkError, match=r'line 2: recorded is .*"size": 5.* but .*"size": 4'):
        ReplayLink(lines).read(FLASH, 4)
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink(lines).halt()


def test_the_end_of_the_recording(chip: FakeChip) -> None:
    lines, _ = record(chip)
    link = ReplayLink(lines[:2])
    link.read(FLASH, 5)
    with pytest.raises(LinkError, match="line 3: the recording ends"):
        link.write(RAM, b"kick")


@pytest.mark.parametrize("head", ["", "[]", "{}", '{"schema": "other/1"}', "[" * 100_000])
def test_what_is_no_recording(head: str) -> None:
    with pytest.raises(LinkError, match="line 1"):
        ReplayLink([head])
    with pytest.raises(LinkError, match="no recording"):
        ReplayLink([])


@pytest.mark.parametrize("data", ["null", '"xy"', '"00"', "7"])
def test_damaged_lines(data: str) -> None:
    head = '{"schema": "idoldbg.traffic/1"}'
    line = f'{{"op": "read", "address": 0, "size": 4, "data": {data}}}'
    with pytest.raises(LinkError, match="line 2"):
        ReplayLink([head, line]).read(0, 4)
