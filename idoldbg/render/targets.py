"""Targets of an environment file, as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from idoldbg.render.printable import printable

__all__ = ["commands_json", "json", "text"]


class _Target(Protocol):
    """Named target, as far as it is shown."""

    @property
    def name(self) -> str: ...
    @property
    def probe(self) -> str | None: ...
    @property
    def archives(self) -> Mapping[str, str]: ...
    @property
    def board(self) -> str | None: ...
    @property
    def description(self) -> str: ...
    @property
    def commands(self) -> Mapping[str, Any]: ...


def text(targets: Sequence[_Target]) -> str:
    """Return a line for each target: name and description."""
    if not targets:
        return "no targets"
    names = [printable(target.name) for target in targets]
    width = max(len("TARGET"), *map(len, names))
    rows = [
        f"{name:<{width}}  {printable(target.description) or '-'}"
        for name, target in zip(names, targets, strict=True)
    ]
    return "\n".join([f"{'TARGET':<{width}}  DESCRIPTION", *rows])


def json(path: str, targets: Sequence[_Target]) -> dict[str, Any]:
    """Return the object of `targets`."""
    return {
        "schema": "idoldbg.targets/1",
        "environment": path,
        "targets": [
            {
                "name": target.name,
                "probe": target.probe,
                "archives": dict(target.archives),
                "board": target.board,
                "description": target.description,
                "commands": target.commands,
            }
            for target in targets
        ],
    }


def commands_json(target: _Target) -> dict[str, Any]:
    """Return the object of `exec` without a name."""
    return {
        "schema": "idoldbg.exec/1",
        "target": target.name,
        "commands": target.commands,
    }
