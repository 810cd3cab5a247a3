"""The user's own mistakes, found before a place is taken."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from idoldbg.errors import ArgumentError
from idoldbg.farm.coordinator import Coordinator, FarmPlace
from idoldbg.farm.preflight import check_archive, check_collection
from idoldbg.farm.records import _last_line
from tests.conftest import ARCHIVES

G0 = str(ARCHIVES / "nucleo-g031.zip")


def place(name: str, *boards: str) -> FarmPlace:
    return FarmPlace(name, {}, None, 0.0, boards=boards)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no.zip: cannot be read"),
        (b"", "no.zip: empty"),
        (b"hello", "no.zip: neither a Hubris archive"),
        (Path(G0).read_bytes()[:5000], "no.zip: not a whole zip file"),
    ],
)
def test_archive_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "no.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArgumentError, match=f"^--archive: .*{message}"):
        check_archive(str(path), [])


def test_places_with_other_chips_are_named() -> None:
    places = [place("a", "nucleo-g031"), place("b", "lpcxpresso55s69"), place("c"), place("d", "?")]
    with pytest.raises(ArgumentError, match=r"for stm32g0.*: `b` \(lpcxpresso55s69\); choose"):
        check_archive(G0, places)
    check_archive(G0, [places[0], *places[2:]])  # of these it is the right one, or nobody knows


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({}, ("nodir",), "file or directory not found: nodir"),
        ({}, (".",), "no tests are collected"),
        ({"test_a.py": "def test_a(): pass"}, (".", "--nonsense"), "unrecognized arguments"),
        ({"test_a.py": "def test_a(): pass"}, (".", "-k", "a and"), "Wrong expression"),
        (
            {"conftest.py": "import no_such_module", "test_a.py": "def test_a(): pass"},
            (".",),
            r"loading conftest '.*conftest.py': ModuleNotFoundError: .*no_such_module'$",
        ),
    ],
)
def test_pytest_without_tests_to_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    arguments: Sequence[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ArgumentError, match=message) as caught:
        check_collection([sys.executable, "-P", "-m", "pytest", *arguments], {})
    assert "\n" not in str(caught.value)


def test_invalid_coordinator_address() -> None:
    with pytest.raises(ArgumentError, match="`host:abc` is not HOST:PORT"):
        Coordinator("host:abc").places()


def test_syntax_error_is_shown_by_its_message() -> None:
    text = 'ERROR collecting\nE     File "a.py", line 1\nE       def a(:\nE  SyntaxError: invalid'
    assert _last_line(text) == 'SyntaxError: invalid (File "a.py", line 1)'
    assert _last_line(">  assert 1\nE  assert 1\nE  more") == "assert 1"
