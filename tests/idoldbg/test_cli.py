"""The command line as scripts see it: output, standard error, exit codes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from idoldbg.cli import idoldbg as idoldbg_group
from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated.emu.engine import Engine, Outcome
from idoldbg.target.emulated.link import EmulatedLink

Golden = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]

FLASH_ID = [
    *("call", "Spi.exchange", "--device-index", "0"),
    *("--source", "hex:9f000000", "--sink", "4"),
]

GOLDEN_COMMANDS: list[tuple[str, list[str], int]] = [
    ("list.txt", ["list"], 0),
    ("list.json", ["list", "--format", "json"], 0),
    ("list-operation.txt", ["list", "Spi.exchange"], 0),
    ("list-verbose.txt", ["list", "-v", "Sensor.configure"], 0),
    ("types-struct.txt", ["types", "Status"], 0),
    ("types-struct.json", ["types", "Status", "--format", "json", "--depth", "1"], 0),
    ("types-niche.txt", ["types", "Result<Reading, NoData>", "--depth", "3"], 0),
    ("types-enum.txt", ["types", "task_sensor_api::SensorError"], 0),
    ("types-array.txt", ["types", "[Light; 4]", "--depth", "2"], 0),
    ("tasks.txt", ["tasks"], 0),
    ("tasks.json", ["--format=json", "tasks"], 0),
    ("counters.txt", ["counters", "--full"], 0),
    ("counters.json", ["counters", "--format", "json"], 0),
    ("counters-ipc.txt", ["counters", "ipc", "--full"], 0),
    ("counters-ipc.json", ["counters", "ipc", "--format", "json"], 0),
    ("counters-ipc-graph.txt", ["-p", "archive", "counters", "ipc", "--graph", "dot"], 0),
    ("readvar.txt", ["readvar", "HUBRIS_TASK_DESCS[0..2]", "jefe/JEFE_EXTERNAL_READY", "-d"], 0),
    ("readvar.json", ["readvar", "kernel/HUBRIS_TASK_DESCS[1].flags", "--format", "json"], 0),
    ("readvar-raw.txt", ["readvar", "HUBRIS_IMAGE_ID", "--raw"], 0),
    ("vars.txt", ["vars", "--type", "TaskSlot"], 0),
    ("vars.json", ["vars", "SENSOR", "--format", "json"], 0),
    ("boards.txt", ["boards", "-v"], 0),
    ("call-leases.txt", FLASH_ID, 0),
    ("call-leases.json", [*FLASH_ID, "--format", "json"], 0),
    ("call-hex.txt", ["call", "Sensor.multiply", "--a", "255", "--b", "0x101", "--hex"], 0),
    ("call-error.txt", ["call", "Spi.release"], 1),
    ("call-error.json", ["call", "Spi.release", "--format", "json"], 1),
    (
        "call-complex-error.json",
        [
            *("call", "Sensor.configure", "--mode", "Periodic { interval_ms: 1 }"),
            *("--offset", "None", "--format", "json"),
        ],
        1,
    ),
    ("call-help.txt", ["call", "Spi.exchange", "--help"], 0),
]


@pytest.mark.parametrize(("name", "argv", "code"), GOLDEN_COMMANDS)
def test_output_is_as_agreed(
    name: str, argv: list[str], code: int, golden: Golden, capsys: Capture
) -> None:
    assert run(argv) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    golden(f"cli/{name}", captured.out.replace(f"{demo_archive('stm32f4-discovery').parent}/", ""))
    if name.endswith(".json"):
        assert json.loads(captured.out)["schema"].startswith("idoldbg.")


FAILURES: list[tuple[list[str], int, str]] = [
    # 2: usage
    (["cal"], 2, "no command `cal`; did you mean `call`"),
    (["call"], 2, "missing argument `IFACE.OP`"),
    (["call", "Spi"], 2, "name one of its operations, Spi.read, "),
    (["call", "Spy.exchange"], 2, "no interface named `Spy`.*did you mean `Spi`"),
    (["call", "Update.status"], 2, "no interface named `Update`.*it has Jefe, .*Spi"),
    (["call", "Spi.exchnage"], 2, "did you mean `Spi.exchange`"),
    (["call", "Spi.exchange"], 2, "needs --device-index"),
    (["types", "Raeding"], 2, "no type named `Raeding`.*did you mean `task_sensor_api::Reading`"),
    (["types", "Status", "--task", "sensr"], 2, "no object named `sensr`.*did you mean `sensor`"),
    (["types", "Status", "--task", "kernel"], 2, "no type named `Status` in object `kernel`"),
    (["types", "Option<"], 2, "no type named `Option<`"),
    (["list", "--type", "SensorError"], 2, "is not NAME=PATH"),
    (["list", "--type", "SensorError=SensorErr"], 2, "did you mean `task_sensor_api::SensorError`"),
    (["list", "--type", "SensrError=u8"], 2, "--type.*`SensrError`; did you mean `SensorError`"),
    (["call", "Spi.release", "--type", "Nonesuch=u8"], 2, "--type.*no interface.*`Nonesuch`$"),
    (["shell", "-c", "1", "--type", "Nonesuch=u8"], 2, "no interface.*`Nonesuch`$"),
    (["stubs", "-o", "/tmp/stubs_of_none", "--type", "Nonesuch=u8"], 2, "--type.*`Nonesuch`$"),
    (["types", "Mode", "--type", "Moode=u8"], 2, "`Moode`; did you mean `Mode`"),
    (["call", "Spi.exchange", "--device-indx", "0"], 2, "did you mean `device_index`"),
    (["call", "Spi.exchange", "0"], 2, "unexpected `0`"),
    (["call", "Spi.exchange", "--device-index"], 2, "needs a value"),
    (["call", "Spi.exchange", "--device-index", "1", "--device-index", "2"], 2, "given twice"),
    (["call", "Spi.exchange", "--device-index", "256"], 2, "255"),
    (["call", "Spi.lock", "--device-index", "0", "--cs-state", "Assert"], 2, "`Asserted`"),
    (["call", "Spi.read", "--device-index", "0", "--sink", "many"], 2, "number of elements"),
    (["call", "Spi.write", "--device-index", "0", "--source", "0102"], 2, "hex:"),
    (["call", "Spi.release", "-o", "/tmp/x"], 2, "no lease"),
    ([*FLASH_ID, "-o", "/"], 2, "cannot write `/`: it is a directory; nothing was called"),
    ([*FLASH_ID, "-o", "/nowhere/file"], 2, "no such directory: `/nowhere`"),
    (["call", "Victim.ping"], 2, "several tasks"),
    (["call", "Victim.ping", "--task", "spi"], 2, "victim"),
    (["call", "Spi.read", "--device-index", "0", "--sink", "60000"], 2, "60000"),
    (["list", "Nothing"], 2, "no interface named"),
    (["--timeout", "0", "tasks"], 2, "more than 0"),
    (["--format", "yaml", "tasks"], 2, "yaml"),
    (["--board", "stm32f4-discvery", "tasks"], 2, "stm32f4-discovery"),
    (["--probe", "usbx", "tasks"], 2, "emu, emu:NAME, .*pyocd, pyocd:UID"),
    (["--probe", "remote:here", "tasks"], 2, "remote:HOST:PORT"),
    (["ringbuf", "--last", "x"], 2, "`x` is not an integer(?! )"),
    (["--speed", "fast", "tasks"], 2, "`fast` is not an integer(?! )"),
    # 3: the target
    (["call", "Victim.panic", "--code", "7", "--task", "victim"], 3, "`victim` died.*generation 1"),
    (["call", "Victim.ping", "--task", "sleeper"], 3, "not started"),
    # 4: the link, or this machine
    (["--archive", "", "list"], 2, "path of a build"),
    (["--archive", "/nonexistent.zip", "list"], 4, "/nonexistent.zip"),
    (["--archive", "/dev/null", "list"], 4, "/dev/null"),
    (["--archive", "/etc/hostname", "list"], 4, "neither a Hubris archive"),
    (["--probe", "pyocd:no-such-probe", "tasks"], 4, "no-such-probe"),
    (["--probe", "remote:127.0.0.1:1", "tasks"], 4, "127.0.0.1:1"),
    (["call", "Spi.write", "--device-index", "0", "--source", "@/nonexistent"], 4, "/nonexistent"),
]


@pytest.mark.parametrize(("argv", "code", "message"), FAILURES)
def test_failures_have_advice(argv: list[str], code: int, message: str, capsys: Capture) -> None:
    assert run(argv) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err), captured.err
    assert "Traceback" not in captured.err
    assert run(["--format", "json", *argv]) == (2 if "yaml" in argv else code)
    captured = capsys.readouterr()
    if "yaml" not in argv:
        error = json.loads(captured.err.splitlines()[-1])["error"]
        assert error["kind"]
        assert re.search(message, error["message"])


def test_global_options_stand_anywhere(capsys: Capture) -> None:
    assert run(["-b", "stm32f4-discovery", "--format", "json", "call", "Jefe.get_state"]) == 0
    first = capsys.readouterr().out
    assert run(["call", "Jefe.get_state", "--format=json", "-b", "stm32f4-discovery"]) == 0
    assert capsys.readouterr().out == first


def test_options_come_from_the_environment(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDOLDBG_FORMAT", "json")
    monkeypatch.setenv("IDOLDBG_ARCHIVE", str(demo_archive("stm32f4-discovery")))
    monkeypatch.setenv("IDOLDBG_PROBE", "emu")
    assert run(["call", "Jefe.get_state"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] == 0
    assert run(["call", "Jefe.get_state", "--format", "text"]) == 0
    assert capsys.readouterr().out == "Jefe.get_state() => 0\n"


def test_a_lease_can_come_from_a_file_and_go_to_one(tmp_path: Path, capsys: Capture) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.write_bytes(b"\x9f\0\0\0")
    argv = ["call", "Spi.exchange", "--device-index", "0", "--source", f"@{source}"]
    assert run([*argv, "--sink", "4", "-o", str(sink)]) == 0
    assert sink.read_bytes() == b"\xff\xef\x40\x18"


@pytest.mark.parametrize("probe", ["emu", "pyocd:emu"])
def test_the_serial_port_goes_to_a_file(probe: str, tmp_path: Path, capsys: Capture) -> None:
    uart = tmp_path / "uart"
    argv = ["call", "Victim.panic", "--task", "victim", "--code", "9", "--uart", str(uart)]
    assert run(["-p", probe, *argv]) == 3
    boot, fault = uart.read_text().splitlines()
    assert re.fullmatch(r"jefe: image [0-9a-f]{16} started", boot)
    assert "task victim faulted" in fault
    assert "told to panic with code 9" in fault


def test_verbose_counts_the_traffic(capsys: Capture) -> None:
    assert run(["call", "Jefe.get_state", "-v"]) == 0
    assert "transactions" in capsys.readouterr().err


def test_another_image_on_the_target_is_refused(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = demo_archive("stm32f4-discovery").with_name("stm32f4-discovery-no-hiffy.zip")
    monkeypatch.setenv("IDOLDBG_EMULATED", f"desk=stm32f4-discovery,{other}")
    argv = ["-a", str(demo_archive("stm32f4-discovery")), "-p", "pyocd:desk"]
    assert run([*argv, *FLASH_ID]) == 3
    message = capsys.readouterr().err
    ids = re.findall(r"\b[0-9a-f]{16}\b", message)
    assert len(set(ids)) == 2, message


def test_an_image_without_hiffy_is_refused(capsys: Capture) -> None:
    archive = demo_archive("stm32f4-discovery").with_name("stm32f4-discovery-no-hiffy.zip")
    assert run(["-a", str(archive), "-p", "emu", "call", "Jefe.get_state"]) == 3
    assert "no task called hiffy" in capsys.readouterr().err


def repack(path: Path, **changed: bytes) -> Path:
    """Copy the demo archive with other contents for some members (`__` stands for `/`)."""
    with (
        zipfile.ZipFile(demo_archive("stm32f4-discovery")) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        new.comment = old.comment
        for name in old.namelist():
            new.writestr(name, changed.get(name.replace("/", "__"), old.read(name)))
    return path


def test_one_damaged_task_does_not_hide_the_others(tmp_path: Path, capsys: Capture) -> None:
    archive = str(repack(tmp_path / "build.zip", elf__task__idle=b"junk"))
    assert run(["-a", archive, "-p", "emu", "call", "Jefe.get_state"]) == 0
    assert run(["-a", archive, "list", "Jefe"]) == 0
    assert "task `idle` is left out: idle: not an ELF file" in capsys.readouterr().err


def test_an_app_without_tasks_is_refused(tmp_path: Path, capsys: Capture) -> None:
    archive = str(repack(tmp_path / "build.zip", **{"app.toml": b""}))
    assert run(["-a", archive, "list"]) == 4
    assert "app.toml: names no tasks" in capsys.readouterr().err


def test_busy_firmware_does_not_keep_the_caller_for_ever(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idoldbg.target.emulated.link.REAL_LIMIT_S", 0.5)
    argv = ["call", "Victim.hang", "--task", "victim", "--milliseconds", "60000"]
    assert run([*argv, "--timeout", "60"]) == 3
    assert "s of emulation" in capsys.readouterr().err


def test_a_core_dump_cannot_be_called(real_hubris: Path, capsys: Capture) -> None:
    dump = real_hubris / "cores" / "hubris.core.v6"
    assert run(["-p", f"dump:{dump}", "call", "Jefe.get_state"]) in {3, 4}
    assert "Traceback" not in capsys.readouterr().err


def test_tasks_are_not_judged_before_the_kernel_has_made_them(capsys: Capture) -> None:
    assert run(["--timeout", "0.000000001", "tasks"]) == 0
    out = capsys.readouterr().out
    assert "FAULT" not in out
    assert out.count("the kernel has not started its tasks") == out.count("\n") - 2


def test_tasks_need_no_hiffy(capsys: Capture) -> None:
    image = demo_archive("stm32f4-discovery").with_name("stm32f4-discovery-no-hiffy.zip")
    assert run(["-a", str(image), "-p", "emu", "tasks"]) == 0
    out = capsys.readouterr().out
    assert "FAULT" not in out
    assert "RUNNING" in out


def test_a_call_during_boot_is_reported_as_such(capsys: Capture) -> None:
    assert run(["--timeout", "0.000000001", "call", "Sensor.reading", "--id", "0"]) == 3
    assert "still booting" in capsys.readouterr().err


def test_a_dump_without_a_path_is_refused(capsys: Capture) -> None:
    assert run(["-p", "dump:", "tasks"]) == 2
    assert "dump:PATH" in capsys.readouterr().err


def test_help_of_an_operation_needs_no_choice_of_servers(capsys: Capture) -> None:
    assert run(["call", "Victim.die", "--help"]) == 0
    assert "idoldbg call Victim.die --cause" in capsys.readouterr().out
    assert run(["call", "Victim.die"]) == 2
    assert "several tasks" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["ringbuf", "counters"])
def test_a_filter_that_fits_nothing_is_not_a_build_without(command: str, capsys: Capture) -> None:
    assert run([command, "nonesuch"]) == 0
    assert "nothing fits nonesuch" in capsys.readouterr().err


def test_statics_that_are_gone_are_counted_until_asked_for(capsys: Capture) -> None:
    assert run(["vars"]) == 0
    whole = capsys.readouterr().out.splitlines()
    assert "that the compiler left out" in whole[-1]
    assert run(["vars", "--section", "optimised"]) == 0
    gone = capsys.readouterr().out.splitlines()
    assert whole[-1].startswith(f"and {len(gone) - 1} that")


def test_a_closed_standard_output_is_not_reported_as_a_bug() -> None:
    command = f"{sys.executable} -m idoldbg list >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


class _CtrlCInFinalizer:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_heard_where_python_drops_it(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exceptions of finalizers are dropped: this one comes again, while the call is made."""
    victims = [_CtrlCInFinalizer()]
    wait = EmulatedLink.wait

    def wait_once_interrupted(link: EmulatedLink, seconds: float) -> None:
        if link.monotonic() > 5:  # of the board's: hiffy has been waiting for the server for long
            victims.clear()
        wait(link, seconds)

    monkeypatch.setattr(EmulatedLink, "wait", wait_once_interrupted)
    argv = ["--task", "victim", "--milliseconds", "86400000", "--timeout", "86400"]
    assert run(["call", "Victim.hang", *argv]) == 130
    said = capsys.readouterr().err.strip()
    assert said == "error: interrupted; the call may have been made"


def test_ctrl_c_ends_a_call_quietly(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the emulated core runs, which is not Python code."""
    is_running = threading.Event()
    run_core = Engine.run

    def run_and_tell(engine: Engine, count: int) -> Outcome:
        is_running.set()
        return run_core(engine, count)

    def interrupt() -> None:
        is_running.wait()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Engine, "run", run_and_tell)
    threading.Thread(target=interrupt).start()
    argv = ["--task", "victim", "--milliseconds", "86400000", "--timeout", "86400"]
    assert run(["call", "Victim.hang", *argv]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)


@pytest.mark.parametrize(("name", "command"), [*every_command(idoldbg_group)])
def test_options_of_a_command_have_names_of_their_own(name: str, command: click.Command) -> None:
    """One with the name of a global option takes its value away, and ends in a traceback."""
    names = [parameter.name for parameter in command.params]
    assert len(set(names)) == len(names), name


def test_help_loads_little() -> None:
    """Modules that click does not load are loaded by commands alone."""
    code = (
        "import sys\nfrom idoldbg.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "unwanted = {'json', 'dataclasses', 'pathlib', 'urllib', 'ipaddress', 'tomllib', 'html'}\n"
        "print(sorted(unwanted & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Calls:" in done.stdout and "emu" in done.stdout
    assert done.stderr.strip() == "[]"
