"""Profiles of the demo images: a task that is known to spin for so long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.render import profile as rendered
from idoldbg.target.emulated.server import running_board
from idoldbg.views.profile import Context, ContextKind, Profile, ProfileFrame, Stack
from tests.conftest import ARCHIVES

IMAGES = ("stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69")
each_image = pytest.mark.parametrize("image", IMAGES)


def archive(image: str = "stm32f4-discovery") -> str:
    return str(ARCHIVES / f"{image}.zip")


def share(profile: Profile, name: str) -> float:
    return sum(n for c, n in profile.by_context.items() if c.name == name) / profile.count


@each_image
def test_a_task_that_spins_has_the_time_that_it_spins(image: str) -> None:
    """The victim asks the kernel for the time, again and again, in `hang`."""
    with idoldbg.attach(archive(image), probe="emu", timeout_s=0.4) as dev:
        asleep = dev.profile(0.2)
        assert share(asleep, "asleep") > 0.9
        assert share(asleep, "victim") == 0
        with pytest.raises(idoldbg.IdoldbgError):
            dev["victim"].Victim.hang(milliseconds=2000)
        profile = dev.profile(0.2)
        assert share(profile, "asleep") == 0
        assert share(profile, "victim") > 0.05
        assert share(profile, "victim") + share(profile, "SVCall") > 0.95
        in_victim = [s for s, _ in profile.samples if s.context.name == "victim" and s.frames]
        names = {frame.name for stack in in_victim for frame in stack.frames}
        assert any("hang" in name for name in names), names
        whole = [stack for stack in in_victim if stack.is_whole]
        assert all(stack.frames[0].name == "_start" for stack in whole)
        assert profile.cut / profile.count < 0.5  # in stubs, and functions without CFI in a row
        assert profile.guessed > 0  # in `memset`
        assert any(frame.file for stack in in_victim for frame in stack.frames)


def test_two_profiles_of_one_run_are_the_same() -> None:
    found = []
    for _ in range(2):
        with idoldbg.attach(archive(), probe="emu") as dev:
            found.append(dev.profile(0.2))
    assert found[0] == found[1]
    assert found[0].count == pytest.approx(0.2 * 9973, abs=2)


def test_a_running_board_is_profiled() -> None:
    with running_board("profiled", archive()) as entry, idoldbg.attach(probe=entry.spec) as dev:
        profile = dev.profile(0.2, rate_hz=1009)
    assert profile.count == pytest.approx(0.2 * 1009, abs=3)
    assert share(profile, "asleep") > 0.8


# ---- formats -------------------------------------------------------------------------------------

NET, TICK = Context(ContextKind.TASK, "net"), Context(ContextKind.HANDLER, "SysTick")
ASLEEP = Context(ContextKind.ASLEEP, "asleep")
MAIN, SEND = ProfileFrame("main", "/net.rs"), ProfileFrame("<[u8; 4]>::send")
MADE = Profile(
    (
        (Stack(NET, (MAIN, SEND), is_guess=True), 3),
        (Stack(TICK, (), is_whole=False), 1),
        (Stack(NET, (MAIN,)), 2),
        (Stack(ASLEEP, (MAIN,)), 14),
    ),
    100,
)


def test_speedscope_s_format() -> None:
    """The facts of its specification: sampled profiles, whose weights add up."""
    text = rendered.speedscope(MADE, "a board")
    found = json.loads(text)
    assert found["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = found["shared"]["frames"]
    assert {"name": "main", "file": "/net.rs"} in frames
    assert all(set(frame) <= {"name", "file", "line", "col"} for frame in frames)
    assert [p["name"] for p in found["profiles"]] == [
        "a board: all",
        "asleep (waiting for an interrupt)",
        "net",
        "SysTick (handler)",
    ]
    for profile in found["profiles"]:
        assert (profile["type"], profile["unit"]) == ("sampled", "nanoseconds")
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["startValue"] + sum(profile["weights"]) == profile["endValue"]
        assert all(0 <= i < len(frames) for stack in profile["samples"] for i in stack)
    whole = found["profiles"][0]
    names = [[frames[i]["name"] for i in stack] for stack in whole["samples"]]
    assert names[0] == ["net", "main", "<[u8; 4]>::send"]
    assert whole["weights"] == [300, 100, 200, 1400]


def test_folded_stacks() -> None:
    assert rendered.folded(MADE).splitlines() == [
        "SysTick (handler) 1",
        "asleep (waiting for an interrupt);main 14",
        "net;main 2",
        "net;main;<[u8, 4]>::send 3",
    ]


def test_text_and_json() -> None:
    lines = rendered.text(MADE).splitlines()
    assert lines[0].startswith("20 samples")
    assert lines[2].split() == ["70.00", "%", "asleep", "(waiting", "for", "an", "interrupt)"]
    assert " 15.00 %  net: <[u8; 4]>::send" in lines
    assert lines[-2].startswith("note: in 15.00 %") and "a guess" in lines[-2]
    assert lines[-1] == "note: in 5.00 % the stack could not be walked to its start"
    assert rendered.text(Profile((), 100)).startswith("no samples")
    assert rendered.json(MADE)["contexts"][1] == {"kind": "task", "name": "net", "samples": 5}


# ---- the command ---------------------------------------------------------------------------------


def test_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.speedscope.json"
    options = ("profile", "--seconds", "0.1", "-o", str(target), "--format", "json")
    assert run(["-a", archive("nucleo-g031"), "-p", "emu", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    weights = json.loads(target.read_text())["profiles"][0]["weights"]
    assert sum(weights) == found["samples"] * found["interval_ns"]


def test_command_profiles_another(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "x.folded"
    call = ("idoldbg", "-a", archive(), "-p", "emu", "call", "Sensor.temperature")
    assert run(["profile", "-o", str(target), "--", *call]) == 0
    assert "hiffy" in capfd.readouterr().out
    counts = [line.rpartition(" ") for line in target.read_text().splitlines()]
    assert any(stack.startswith("hiffy;_start") for stack, _, _ in counts)
    assert sum(int(count) for _, _, count in counts) > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "x.svg"), ".folded"),
        (("-o", "/no/such/x.json"), "no such directory"),
        (("--rate", "0"), "--rate"),
        (("--seconds", "1", "--", "true"), "COMMAND"),
        (("--seconds", "-1"), "seconds"),
    ],
)
def test_mistakes_are_explained(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-a", archive(), "-p", "emu", "profile", *options]) == 2
    assert message in capsys.readouterr().err
