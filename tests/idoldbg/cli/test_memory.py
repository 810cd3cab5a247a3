"""`readmem` and `writemem`: every form of WHAT, agreed output, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from json import loads
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.opening import demo_archive
from idoldbg.target.emulated.server import running_board

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]
ENDS = "note: this emulated board ends with the command; "

READS = {
    "readmem": ["KERNEL_HAS_FAILED", "32", "-w", "4"],
    "readmem-bytes": ["hiffy/_start", "24"],
    "readmem-pointers": ["0x200053e0", "32", "-s"],
    "readmem-device": ["usart2+0x1c", "--device"],
}
WRITES = {
    "writemem": ["JEFE_LAST_FAULT", "1", "-1", "hex:0a_0b", "str:ab"],
    "writemem-static": ["KERNEL_HAS_FAILED", "7"],
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_output_is_as_agreed(name: str, form: str, golden: Golden, capsys: Capture) -> None:
    arguments = ["readmem", *READS[name]] if name in READS else ["writemem", *WRITES[name]]
    assert run([*arguments, "--format", form]) == 0
    found = capsys.readouterr()
    assert found.err.startswith(ENDS if name in WRITES else "")
    folder = f"{demo_archive('stm32f4-discovery').parent}/"
    golden(f"cli/{name}.{form.replace('text', 'txt')}", found.out.replace(folder, ""))


@pytest.mark.parametrize(
    ("what", "address", "size"),
    [
        (["0x20001400", "8"], 0x2000_1400, 8),
        (["0x2000_1400+0x10", "4KiB"], 0x2000_1410, 4096),
        (["536876032", "0x10"], 0x2000_1400, 16),
        (["0x20001400"], 0x2000_1400, 256),
        (["0x200017f0"], 0x2000_17F0, 16),  # to the end of its region
        (["0x20001400", "-n", "3", "-w", "4"], 0x2000_1400, 12),
        (["task:victim:stack"], 0x2000_5000, 1024),
        (["task:kernel:stack"], 0x2000_0000, 2048),
        (["TICKS"], 0x2000_0DD0, 8),
        (["kernel/TICKS"], 0x2000_0DD0, 8),
        (["kern::fail::KERNEL_EPITAPH"], 0x2000_0808, 128),
        (["idle/_start"], 0x0801_C000, 56),
        (["tim2+4", "--device"], 0x4000_0004, 4),
        (["0x40000008", "-w", "2", "2", "--device"], 0x4000_0008, 2),
    ],
)
def test_places(what: list[str], address: int, size: int, capsys: Capture) -> None:
    assert run(["readmem", *what, "--format", "json"]) == 0
    found = loads(capsys.readouterr().out)
    assert (found["address"], found["wanted"], len(found["data"]["hex"])) == (
        address,
        size,
        2 * size,
    )


def test_a_read_that_runs_off_shows_what_is_there(capsys: Capture) -> None:
    assert run(["readmem", "0x2001fff0", "64"]) == 3
    found = capsys.readouterr()
    assert found.out.splitlines()[1].startswith("0x2001fff0  00 ")
    assert "0x20020000  ends here, of 64 bytes: " in found.out
    assert "16 of 64 bytes could be read" in found.err
    assert run(["readmem", "0x2001ff03", "1k", "--format", "json"]) == 3
    assert len(loads(capsys.readouterr().out)["data"]["hex"]) == 2 * (0x2_0000 - 0x1_FF03)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["readmem", "usart2"], 2, "0x40004400 is in usart2: reading a register can change it"),
        (["readmem", "0x3fffff00", "1k"], 2, "give --device for it"),  # reaches registers
        (["readmem", "0xe000ed00"], 2, "0xe000ed00 is in the address space of devices"),
        (["readmem", "usart2+0x400", "--device"], 2, "give an offset of less than 0x400"),
        (["readmem", "usrt2"], 2, "did you mean `usart2`?"),
        (["readmem", "TICK"], 2, "did you mean `TICKS`?"),
        (["readmem", "_start"], 2, "`_start` is ambiguous; choose one of `"),
        (["readmem", "task:victin:stack"], 2, "did you mean `victim`?"),
        (["readmem", "task:victim"], 2, "task:NAME:stack"),
        (["readmem", "0x100000000"], 2, "not an address of 32 bits"),
        (["readmem", "TICKS", "x"], 2, "`x` is not a size"),
        (["readmem", "TICKS", "0"], 2, "0 bytes at 0x20000dd0"),
        (["readmem", "0x20001401", "4", "-w", "4"], 2, "not aligned to 4 bytes"),
        (["readmem", "TICKS", "4", "-n", "4"], 2, "give LENGTH or --count"),
        (["readmem", "0x30000000"], 3, "has nothing at 0x30000000"),
        (["readmem", "sp", "-p", "archive"], 4, "registers"),
        (["writemem", "0x08000000", "1"], 2, "0x08000000 is in flash"),
        (["writemem", "hiffy/_start", "1"], 2, "is in flash"),
        (["writemem", "tim2", "1"], 2, "give --device for it"),
        (["writemem", "KERNEL_HAS_FAILED", "256"], 2, "`256` does not fit into 8 bits"),
        (["writemem", "KERNEL_HAS_FAILED", "-129"], 2, "does not fit into 8 bits"),
        (["writemem", "KERNEL_HAS_FAILED", "1", "2"], 2, "2 would change what follows it"),
        (["writemem", "0x20001400", "x"], 2, "`x` is not a value"),
        (["writemem", "0x20001400", "hex:0"], 2, "`hex:0` is not a value"),
        (["writemem", "0x20001400", "--devce"], 2, "`--devce` is not a value"),
        (["writemem", "0x20001401", "1", "-w", "4", "-p", "archive"], 4, "archive"),
    ],
)
def test_refused_input(arguments: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(arguments) == code
    assert message in capsys.readouterr().err


def test_registers_are_written_one_by_one(capsys: Capture) -> None:
    """A register may read back another value: this is shown, not refused."""
    assert run(["writemem", "tim2+0x2c", "0x1234", "0", "--device", "--format", "json"]) == 0
    found = loads(capsys.readouterr().out)
    assert found["width"] == 4
    assert len(found["after"]["hex"]) == 16


def test_another_image_may_be_looked_at_by_address(capsys: Capture, tmp_path: Path) -> None:
    other = str(demo_archive("stm32f4-discovery").parent / "stm32f4-discovery-no-hiffy.zip")
    with running_board("memory", board="stm32f4-discovery") as board:
        on = ["-p", board.spec]
        assert run(["writemem", "JEFE_LAST_FAULT", "0x55", *on, "-w", "1"]) == 0
        file = tmp_path / "bytes"
        assert run(["readmem", "JEFE_LAST_FAULT", "-o", str(file), *on]) == 0
        assert file.read_bytes()[0] == 0x55
        assert run(["writemem", "JEFE_LAST_FAULT", f"@{file}", *on]) == 0
        capsys.readouterr()
        assert run(["readmem", "0x20001400", "1", *on, "-a", other]) == 0
        found = capsys.readouterr()
        assert "names and regions are those of the build" in found.err
        assert "0x20001400  55" in found.out
        assert run(["readmem", "TICKS", *on, "-a", other]) == 3


def test_device_reads_and_writes() -> None:
    with idoldbg.attach() as dev:
        assert dev.write_memory("JEFE_LAST_FAULT", b"\1\2").after == b"\1\2"
        found = dev.read_memory(0x2000_1400, 2)
        assert (found.data, found.place.symbol) == (b"\1\2", "JEFE_LAST_FAULT")
        assert str(found).startswith("0x20001400  JEFE_LAST_FAULT in jefe RAM\n")
