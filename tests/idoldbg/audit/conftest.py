"""Builds that differ from the demo's in one thing, and audits of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from idoldbg.audit import Audit, audit
from idoldbg.session import TargetOptions, open_program
from tests.conftest import ARCHIVES

DEMO = ARCHIVES / "stm32f4-discovery.zip"
Change = Callable[[bytes], bytes | None]
Rebuild = Callable[[Mapping[str, Change]], Path]


def audit_build(path: Path) -> Audit:
    return audit(open_program(TargetOptions(archive=str(path), use_cache=False)))


@pytest.fixture(scope="session")
def demo() -> Audit:
    return audit_build(DEMO)


@pytest.fixture
def rebuild(tmp_path: Path) -> Rebuild:
    """Write the demo's archive anew, with some members changed, or left out (None)."""

    def write(changes: Mapping[str, Change]) -> Path:
        path = tmp_path / "build.zip"
        with zipfile.ZipFile(DEMO) as old, zipfile.ZipFile(path, "w") as new:
            new.comment = old.comment
            assert set(changes) <= set(old.namelist())
            for member in old.infolist():
                data = old.read(member)
                changed = changes.get(member.filename, bytes)(data)
                if changed is not None:
                    new.writestr(member.filename, changed)
        return path

    return write


def replaced(old: bytes, new: bytes) -> Change:
    """Return a change that replaces what must be there, at the same length or not."""

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return change
