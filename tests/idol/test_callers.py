"""Allowed callers: tables, names, indices."""

from __future__ import annotations

import pytest

import idol
from idol.callers import (
    parse_allowance,
    parse_app_tasks,
    parse_section,
    parse_table,
    parse_task_names,
    resolve_callers,
)

APP = """
name = "demo"
[tasks.jefe]
priority = 0
[tasks.jefe.config.allowed-callers]
set_state = ["net", "hiffy"]
request_reset = []
[tasks.hiffy]
priority = 5
[tasks.net]
priority = 3
"""
TABLE = {"set_state": ("net", "hiffy"), "request_reset": ()}
SECTION = 'priority = 0\n[config.allowed-callers]\nset_state = ["net", "hiffy"]\nrequest_reset = []'


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (APP, "jefe"),
        (SECTION, None),
        ('set_state = ["net", "hiffy"]\nrequest_reset = []', None),
        ('{"set_state": ["net", "hiffy"], "request_reset": []}', None),
    ],
    ids=["app", "section", "table", "json"],
)
def test_a_table_stands_in_many_places(text: str, task: str | None) -> None:
    assert parse_table(text, "file.toml", task) == TABLE


def test_tasks_are_numbered_in_the_order_of_the_app() -> None:
    tasks = parse_app_tasks(APP, "app.toml")
    assert tasks == ("jefe", "hiffy", "net") == parse_task_names("jefe,hiffy,net")
    assert resolve_callers(TABLE, tasks) == {"set_state": (2, 1), "request_reset": ()}
    assert resolve_callers({"op": ("net", "net")}, tasks) == {"op": (2,)}


def test_a_section_without_a_table_restricts_nothing() -> None:
    assert parse_section("priority = 3", "section") == {}
    assert parse_table(APP, "app.toml", "net") == {}


def test_allowances_on_the_command_line() -> None:
    assert parse_allowance("set_state=net, hiffy") == ("set_state", ("net", "hiffy"))
    assert parse_allowance("set_state=") == ("set_state", ())


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        ("[", None, "app.toml is neither TOML nor JSON"),
        ("{" * 100_000, None, "app.toml is neither TOML nor JSON"),
        ("tasks = 3", "jefe", "app.toml has no table 'tasks'"),
        (APP, "jeff", "app.toml has no task 'jeff': did you mean `jefe`?"),
        ("op = 3", None, "app.toml: the callers of 'op' are not a list of task names"),
        ("op = [3]", None, "app.toml: the callers of 'op' are not a list of task names"),
        ("[tasks.jefe]\nconfig = 3", "jefe", "app.toml, task jefe has no table 'config'"),
    ],
)
def test_bad_tables(text: str, task: str | None, message: str) -> None:
    with pytest.raises(idol.OptionsError) as caught:
        parse_table(text, "app.toml", task)
    assert str(caught.value).startswith(message)


def test_bad_names() -> None:
    with pytest.raises(idol.OptionsError, match="does not say who may call what"):
        parse_allowance("set_state")
    with pytest.raises(idol.OptionsError, match="no such task: did you mean `hiffy`"):
        resolve_callers({"op": ("hify",)}, ("jefe", "hiffy"))
    with pytest.raises(idol.OptionsError, match="there are jefe, hiffy"):
        resolve_callers({"op": ("xyz",)}, ("jefe", "hiffy"))
