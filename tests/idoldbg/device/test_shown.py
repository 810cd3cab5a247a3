"""Views of a device print as the command line prints them, and stay the data that they are."""

from __future__ import annotations

import copy

import idoldbg
from idoldbg.render import text
from idoldbg.views.tasks import TaskTable


def test_a_view_prints_as_its_table() -> None:
    with idoldbg.attach(probe="emu") as dev:
        assert str(dev.registers("spi")).startswith("r0 ")
        table = dev.tasks()
    assert isinstance(table, TaskTable)
    assert str(table) == text.tasks(table)
    plain = TaskTable(table.time_ms, table.rows, table.epitaph)
    assert repr(table) == repr(plain)
    assert table == plain
    assert copy.copy(table) == table


def test_several_views_print_as_one_table() -> None:
    with idoldbg.attach(probe="emu") as dev:
        uses = dev.stack_use()
        (ticks,) = dev.read_all("kernel/TICKS")
    assert isinstance(uses, tuple)
    assert len(str(uses).splitlines()) > len(uses)
    assert "victim" in str(uses)
    assert "TASK" in str(uses[0])
    assert "TICKS" in str(ticks)


def test_the_package_lists_its_public_names() -> None:
    assert {"attach", "Device", "errors"} <= set(dir(idoldbg))
    for name in dir(idoldbg):
        assert getattr(idoldbg, name) is not None
