"""Boards offered as probes, and that offering costs nothing."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idoldbg.errors import NotFound
from idoldbg.target.emulated.pyocd_probe import boards

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", ()),
        (" ; ", ()),
        ("rot=lpcxpresso55s69", (("rot", "lpcxpresso55s69", None),)),
        (
            "rot=lpcxpresso55s69,build/app=1.zip; disco = stm32f4-discovery ;",
            (("rot", "lpcxpresso55s69", "build/app=1.zip"), ("disco", "stm32f4-discovery", None)),
        ),
    ],
)
def test_environment(text: str, entries: tuple[tuple[str, str, str | None], ...]) -> None:
    assert boards.parse_environment(text) == (entries, ())


@pytest.mark.parametrize("text", ["rot", "=x", "rot=", "rot=,x.zip", "rot=x,", "a=x;a=y"])
def test_environment_that_is_wrong(text: str) -> None:
    _, problems = boards.parse_environment(f"good=board;{text}")
    assert len(problems) == 1
    assert boards.parse_environment(f"good=board;{text}")[0][0] == ("good", "board", None)


def test_environment_offers_boards_and_reports_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(boards, "_boards", {})
    monkeypatch.setenv(boards.ENVIRONMENT, "rot=lpcxpresso55s69;nonsense")
    with caplog.at_level(logging.WARNING):
        offered = boards.list_boards()
    assert [(b.unique_id, b.board_name, b.live) for b in offered] == [
        ("rot", "lpcxpresso55s69", None)
    ]
    assert "IDOLDBG_EMULATED: `nonsense` is not NAME=BOARD" in caplog.text


def test_errors_are_reported_on_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(boards, "_boards", {})
    monkeypatch.setenv(boards.ENVIRONMENT, "x\n::error::I\x1b[2J##[error]")
    with caplog.at_level(logging.WARNING):
        assert boards.list_boards() == ()
    (record,) = caplog.records
    assert record.getMessage() == (
        r"IDOLDBG_EMULATED: `x\u{a}::error::I\u{1b}[2J#\u{23}[error]` is not NAME=BOARD or "
        "NAME=BOARD,ARCHIVE"
    )


def test_bundled_images_are_offered_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "_boards", {})
    monkeypatch.delenv(boards.ENVIRONMENT, raising=False)
    names = {path.stem for path in (ROOT / "fixtures" / "archives").glob("*.zip")}
    names &= {path.stem for path in (ROOT / "targets" / "boards").glob("*.toml")}
    expected = {f"emu-{name}" for name in names}
    assert {b.unique_id for b in boards.list_boards()} == expected
    monkeypatch.setattr(boards, "_boards", {})
    monkeypatch.setenv(boards.ENVIRONMENT, "")
    assert boards.list_boards() == ()


def test_without_unicorn_only_registered_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "unicorn" else find_spec(name)
    )
    monkeypatch.setattr(boards, "_boards", {})
    monkeypatch.setenv(boards.ENVIRONMENT, "rot=lpcxpresso55s69")
    assert boards.list_boards() == ()


def test_registering_twice_replaces_and_unregistering_unknown_fails() -> None:
    boards.register_board("test-board", lambda: pytest.fail("listing starts no board"))
    boards.register_board("test-board", lambda: pytest.fail("nor this"), board_name="second")
    offered = [b for b in boards.list_boards() if b.unique_id == "test-board"]
    assert [b.board_name for b in offered] == ["second"]
    boards.unregister_board("test-board")
    with pytest.raises(NotFound):
        boards.unregister_board("test-board")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "first",
    [
        "idoldbg.target.emulated.pyocd_probe",
        "idoldbg.target.emulated.pyocd_probe.boards",
        "pyocd",
        "idoldbg.target.probe.link",
    ],
)
def test_any_module_may_be_imported_first(first: str) -> None:
    """Importing a plug-in before pyOCD is circular unless care is taken."""
    done = python(
        f"import {first}\n"
        "from pyocd.probe.aggregator import PROBE_CLASSES\n"
        "from idoldbg.target.emulated.pyocd_probe import EmulatedProbePlugin\n"
        "assert PROBE_CLASSES['emu'].__name__ == 'EmulatedProbe', PROBE_CLASSES"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_listing_loads_neither_unicorn_nor_the_debugger() -> None:
    done = python(
        "import sys\n"
        "from pyocd.probe.aggregator import DebugProbeAggregator as A\n"
        "assert any(p.unique_id == 'rot' for p in A.get_all_connected_probes())\n"
        "heavy = ('unicorn', 'idoldbg.target.emulated.emu', 'idoldbg.session')\n"
        "print([m for m in heavy if m in sys.modules])",
        IDOLDBG_EMULATED="rot=lpcxpresso55s69",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_broken_plugin_does_not_break_pyocd() -> None:
    done = python(
        "import sys\n"
        "sys.modules['idoldbg.target.emulated.pyocd_probe._probe'] = None  # importing it fails\n"
        "from pyocd.probe.aggregator import PROBE_CLASSES\n"
        "assert 'cmsisdap' in PROBE_CLASSES and 'emu' not in PROBE_CLASSES, PROBE_CLASSES"
    )
    assert done.returncode == 0, done.stderr
    assert "does not fit this pyOCD" in done.stderr


def test_a_failing_listing_does_not_break_pyocd() -> None:
    done = python(
        "import idoldbg.target.emulated.pyocd_probe.boards as b\n"
        "from pyocd.probe.aggregator import DebugProbeAggregator as A\n"
        "def fail(): raise RuntimeError('no images')\n"
        "b._named_boards = fail\n"
        "print(A.get_all_connected_probes())"
    )
    assert done.returncode == 0, done.stderr
    assert "no images" in done.stderr
