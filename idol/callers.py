"""Tables of allowed callers: operations, task names and task indices.

The tables are those of Hubris: `[tasks.NAME.config.allowed-callers]` of an app description, which
its build passes to a task's build script as TOML in `HUBRIS_TASK_CONFIG` (there as
`[config.allowed-callers]`), and the names of all tasks, in the order of their indices, separated by
commas, in `HUBRIS_TASKS`. Ref: `build/util/src/lib.rs` of oxidecomputer/hubris.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from idol.bounded_toml import load_toml
from idol.errors import OptionsError
from idol.hints import Any
from idol.near import suggest

__all__ = [
    "parse_allowance",
    "parse_app_tasks",
    "parse_section",
    "parse_table",
    "parse_task_names",
    "resolve_callers",
]

#: What a description calls the table.
_KEY = "allowed-callers"


def parse_allowance(text: str) -> tuple[str, tuple[str, ...]]:
    """Read `OPERATION=task,task…`; nothing after the `=` closes the operation to everybody."""
    operation, equals, names = text.partition("=")
    if not equals or not operation.strip():
        raise OptionsError(f"{text!r} does not say who may call what: write `set_state=hiffy,net`")
    tasks = tuple(name.strip() for name in names.split(",") if name.strip())
    return operation.strip(), tasks


def parse_task_names(text: str) -> tuple[str, ...]:
    """Read task names separated by commas, in the order of their indices."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_table(text: str, name: str, task: str | None = None) -> dict[str, tuple[str, ...]]:
    """Read a table of callers from TOML or JSON; `name` is what to call the text in messages.

    The text is the bare table, a task's section that has it as `config.allowed-callers`, or, with
    `task`, a whole app description.
    """
    data = _load(text, name)
    if task is None:
        is_section = isinstance(data.get("config"), dict)
        return _from_section(data, name) if is_section else _check_table(data, name)
    tasks = _get_table(data, "tasks", name)
    if task not in tasks:
        raise OptionsError(f"{name} has no task {task!r}: {_suggest(task, tasks)}")
    return _from_section(_get_table(tasks, task, name), f"{name}, task {task}")


def parse_section(text: str, name: str) -> dict[str, tuple[str, ...]]:
    """Read a task's section; one without `config.allowed-callers` restricts nothing."""
    return _from_section(_load(text, name), name)


def _from_section(section: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    config = _get_table(section, "config", where, is_optional=True)
    return _check_table(_get_table(config, _KEY, where, is_optional=True), where)


def _check_table(table: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    for operation, names in table.items():
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise OptionsError(
                f"{where}: the callers of {operation!r} are not a list of task names"
            )
    return {operation: tuple(names) for operation, names in table.items()}


def parse_app_tasks(text: str, name: str) -> tuple[str, ...]:
    """Read the names of all tasks from an app description, in the order of their indices."""
    return tuple(_get_table(_load(text, name), "tasks", name))


def resolve_callers(
    table: Mapping[str, Sequence[str]], tasks: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Turn task names into indices, in the order given; a name given twice counts once.

    :raises OptionsError: a name is not that of a task.
    """
    index = {name: i for i, name in enumerate(tasks)}
    resolved = {}
    for operation, names in table.items():
        for name in names:
            if name not in index:
                raise OptionsError(
                    f"{name!r} may call {operation!r}, but there is no such task: "
                    + _suggest(name, tasks)
                )
        resolved[operation] = tuple(dict.fromkeys(index[name] for name in names))
    return resolved


def _load(text: str, name: str) -> dict[str, Any]:
    try:
        if text.lstrip().startswith("{"):
            import json

            data = json.loads(text)
        else:
            data = load_toml(text)
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"{name} is neither TOML nor JSON: {error}") from None
    if not isinstance(data, dict):
        raise OptionsError(f"{name} is not a table")
    return data


def _get_table(
    data: Mapping[str, Any], key: str, where: str, is_optional: bool = False
) -> dict[str, Any]:
    value = data.get(key, {} if is_optional else None)
    if not isinstance(value, dict):
        raise OptionsError(f"{where} has no table {key!r}")
    return value


def _suggest(name: str, tasks: Collection[str]) -> str:
    return suggest(name, tasks, otherwise=f"there are {', '.join(tasks) or 'none'}")
