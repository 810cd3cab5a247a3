"""Tasks that the supervisor holds, as its own memory says."""

from __future__ import annotations

import pytest

import idoldbg
from idoldbg.session import demo_archive
from tests.conftest import ROOT


@pytest.mark.parametrize("board", ["stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69"])
def test_a_task_is_held_from_hold_to_release(board: str) -> None:
    with idoldbg.attach(demo_archive(board), probe="emu") as dev:
        assert {row.is_held for row in dev.tasks().rows} == {False}
        dev["victim"].hold()
        assert [row.name for row in dev.tasks().rows if row.is_held] == ["victim"]
        assert "recv, held" in str(dev.tasks())
        dev["victim"].release()
        assert {row.is_held for row in dev.tasks().rows} == {False}


def test_a_supervisor_that_does_not_say_leaves_it_open() -> None:
    archive = ROOT / "fixtures" / "gaps" / "archives" / "gaps-types.zip"
    with idoldbg.attach(archive, probe="emu") as dev:
        assert {row.is_held for row in dev.tasks().rows} == {None}
        assert "held" not in str(dev.tasks())
