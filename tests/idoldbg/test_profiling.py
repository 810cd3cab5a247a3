"""Profiles of the demo images: a task that is known to spin for so long."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.render import profile as rendered
from idoldbg.render.flame_graph import flame_graph
from idoldbg.target.emulated.server import running_board
from idoldbg.views.profile import Context, ContextKind, Profile, ProfileFrame, Stack
from tests.browser import Browser
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


def boxes(svg: str) -> dict[str, tuple[float, float]]:
    """Return place and width of each box by its function, of a graph in which each is once."""
    found = {}
    for group in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}g"):
        title, rect = group[0].text or "", group[1]
        found[title.rpartition(": ")[0]] = (float(rect.get("x", 0)), float(rect.get("width", 0)))
    return found


def test_flame_graph_has_boxes_as_wide_as_their_shares() -> None:
    found = boxes(flame_graph(MADE, "a board"))
    whole = found["a board"][1]
    assert found["net"][1] / whole == pytest.approx(5 / 6, abs=0.01)
    assert found["SysTick (handler)"][1] / whole == pytest.approx(1 / 6, abs=0.01)
    assert found["main"] == found["net"]
    x, width = found["<[u8; 4]>::send"]
    assert width / whole == pytest.approx(3 / 6, abs=0.01)
    assert found["main"][0] <= x and x + width <= sum(found["main"]) + 0.1
    assert "30.00 % of 0.000 s, the rest is sleep" in flame_graph(MADE, "a board")


@pytest.mark.parametrize(
    "profile",
    [
        Profile((), 100),
        Profile(((Stack(ASLEEP, ()), 5),), 100),
        Profile(((Stack(NET, (ProfileFrame('<&"\n\x1b'),) * 300), 5),), 100),
    ],
    ids=["empty", "asleep", "hostile and deep"],
)
def test_flame_graph_of_anything_is_well_formed(profile: Profile) -> None:
    svg = flame_graph(profile, "<\n>")
    ET.fromstring(svg)
    assert "\x1b" not in svg


def test_flame_graph_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    with idoldbg.attach(archive(), probe="emu", timeout_s=0.4) as dev:
        with pytest.raises(idoldbg.IdoldbgError):
            dev["victim"].Victim.hang(milliseconds=1000)
        svg = flame_graph(dev.profile(0.2), "demo")
    path = tmp_path / "flame.svg"
    path.write_text(svg)
    page = browser.open(path)
    assert page.problems() == [] and page.requests() == []
    hints = page.script(
        "return [...document.querySelectorAll('g > title')].map(t => t.textContent)"
    )
    assert any("hang" in hint for hint in hints)
    assert any(text == "victim" for text in page.text_of("text"))
    sticking_out = page.script(
        "return [...document.querySelectorAll('g')].filter(g => g.querySelector('text') && "
        "g.querySelector('text').getBBox().width > g.querySelector('rect').getBBox().width + 8)"
        ".length"
    )
    assert sticking_out == 0
    assert page.script("return document.documentElement.viewBox.baseVal.width") == 1200


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
        (("-o", "x.png"), ".folded"),
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
