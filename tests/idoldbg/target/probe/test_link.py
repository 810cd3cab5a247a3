"""The probe link: attaching, choosing probes, failing."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.coresight.dap import ADIVersion

from idoldbg.errors import FaultError, LinkError, LinkTimeout, ProbeNotFound, Unsupported
from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board
from idoldbg.target.emulated.pyocd_probe.dap import Dap
from idoldbg.target.probe import probes as pyocd_probes
from idoldbg.target.probe.attaching import find_access_port
from idoldbg.target.probe.link import ProbeOptions, PyocdLink, list_probes, open_probe
from idoldbg.target.probe.probes import PROBE_CLASSES, FoundProbe, ProbeInfo, choose_probe

from ..conftest import DEMCR, FLASH, PPB, RAM, FakeChip


@pytest.fixture
def link(probe_id: str) -> Iterator[PyocdLink]:
    with open_probe(probe_id) as opened:
        yield opened


# Attaching


def test_attach_read_write_detach_disturb_nothing(
    chip: FakeChip, probe_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No debug register of the core is written, and of the debug port ABORT and CTRL/STAT alone."""
    dp_writes: list[int] = []
    write_dp = Dap.write_dp

    def logging_write_dp(self: Dap, register: int, value: int) -> None:
        dp_writes.append(register)
        write_dp(self, register, value)

    monkeypatch.setattr(Dap, "write_dp", logging_write_dp)
    with open_probe(probe_id) as link:
        link.read(FLASH, 100)
        link.write(RAM, b"data")
        with pytest.raises(FaultError):
            link.read(0x30000000, 4)
    assert chip.debug_writes() == []
    assert not chip.is_halted
    assert chip.resets == 0
    assert dp_writes
    assert set(dp_writes) <= {0x0, 0x4}


def test_reading_registers_writes_as_little_as_possible(chip: FakeChip, link: PyocdLink) -> None:
    link.read_register("r3")
    written = [address for address, _ in chip.debug_writes()]
    assert set(written) == {0xE000EDF0, 0xE000EDF4}
    last = chip.debug_writes()[-1]
    assert last == (0xE000EDF0, (0xA05F0000).to_bytes(4, "little")), "C_DEBUGEN is off again"


def test_debug_mode_that_another_debugger_set_stays(chip: FakeChip, link: PyocdLink) -> None:
    chip._write_ppb(0xE000EDF0, 0xA05F0001)
    link.read_register("r3")
    assert chip.read(0xE000EDF0, 4)[0] & 1


def test_special_registers(link: PyocdLink) -> None:
    names = ("primask", "basepri", "faultmask", "control")
    assert [link.read_register(n) for n in names] == [1, 0x30, 0, 2]
    with pytest.raises(Unsupported, match="floating point"):
        link.read_register("s0")


def test_a_halt_outlives_the_link(chip: FakeChip, probe_id: str) -> None:
    with open_probe(probe_id) as link:
        link.halt()
    assert chip.is_halted


def test_a_core_that_stands_still_is_noticed(chip: FakeChip, probe_id: str) -> None:
    with open_probe(probe_id) as link:
        assert link.notices == ()
    chip.is_halted = True
    with open_probe(probe_id) as link:
        assert "halted, perhaps by another debugger" in link.notices[0]
    chip.is_halted, chip.is_locked_up = False, True
    with open_probe(probe_id) as link:
        assert "locked up" in link.notices[0]
    assert chip.debug_writes() == []


def test_pyocd_files_of_the_working_directory_are_ignored(
    probe_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyocd_user.py").write_text("raise SystemExit('user script ran')")
    (tmp_path / "pyocd.yaml").write_text("target_override: no_such_target\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYOCD_PROJECT_DIR", "/")
    with open_probe(probe_id) as link:
        assert link.read(FLASH, 1) == b"\0"
    assert Path.cwd() == tmp_path


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], probe_id: str) -> None:
    with open_probe(probe_id) as link, pytest.raises(FaultError):
        link.read(0x30000000, 4)
    assert logging.getLogger("pyocd").handlers
    assert capfd.readouterr() == ("", "")


def test_speed_reaches_the_probe(probe_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds: list[float] = []
    monkeypatch.setattr(EmulatedProbe, "set_clock", lambda self, hz: speeds.append(hz))
    open_probe(probe_id, ProbeOptions(speed_hz=400_000)).close()
    assert speeds == [400_000]


def test_missing_access_port(probe_id: str) -> None:
    with pytest.raises(LinkError, match="Invalid AP address"):
        open_probe(probe_id, ProbeOptions(access_port=3, attempts=1))


def test_adiv6_wants_an_address_for_its_access_port() -> None:
    with pytest.raises(exceptions.TargetError, match="ADIv6"):
        find_access_port(SimpleNamespace(adi_version=ADIVersion.ADIv6), 0)


def test_addresses_beyond_32_bits(link: PyocdLink) -> None:
    with pytest.raises(FaultError, match="32-bit"):
        link.read(0xFFFFFFFE, 4)
    with pytest.raises(FaultError, match="32-bit"):
        link.write(-4, b"x")


# Reset


def test_reset_line_where_sysresetreq_has_no_effect(chip: FakeChip, link: PyocdLink) -> None:
    chip.deaf_to_reset = True
    link._core._poll = lambda *_: chip.resets > 0  # type: ignore[method-assign]  # no 3 s wait
    link.reset()
    assert chip.resets == 1


def test_reset_runs_on_past_a_vector_catch(chip: FakeChip, link: PyocdLink) -> None:
    chip._write_ppb(DEMCR, 1)
    chip._write_ppb(0xE000EDF0, 0xA05F0001)
    link.reset()
    assert chip.resets == 1
    assert not chip.is_halted


# Choosing


def probes(*unique_ids: str, kind: str = "cmsisdap") -> list[FoundProbe]:
    return [FoundProbe(ProbeInfo(u, f"Probe {u}", "v", "p", kind), None) for u in unique_ids]


@pytest.mark.parametrize(
    ("unique_id", "chosen"),
    [
        ("0669FF", "0669FF"),  # exact, though it begins two others
        ("0669ff", "0669FF"),
        ("0669FF4", "0669FF49"),
        ("77", "77A"),  # a prefix goes before a substring
        ("7A0", "0377A0"),
    ],
)
def test_choosing_by_id(unique_id: str, chosen: str) -> None:
    found = probes("0669FF49", "0669FF", "0669FF50", "77A", "0377A0")
    assert choose_probe(found, unique_id).info.unique_id == chosen


def test_ambiguity_is_refused_with_the_list() -> None:
    with pytest.raises(ProbeNotFound, match="fits 2 probes") as caught:
        choose_probe(probes("0669FF49", "0669FF50", "AA"), "0669")
    assert "0669FF49 (Probe 0669FF49)" in caught.value.message
    assert "AA" not in caught.value.message
    with pytest.raises(ProbeNotFound, match="fits 3 probes"):
        choose_probe(probes("1", "2", "3"), None)


def test_an_unknown_id_lists_the_probes() -> None:
    with pytest.raises(ProbeNotFound, match="no probe has that id") as caught:
        choose_probe(probes("0669FF49"), "xyz")
    assert "0669FF49" in caught.value.message


def test_without_an_id_the_only_real_probe_is_meant() -> None:
    emulated = probes("emu-a", "emu-b", kind="emu")
    assert choose_probe([*emulated, *probes("0669FF49")], None).info.unique_id == "0669FF49"
    with pytest.raises(ProbeNotFound, match="--probe emu"):
        choose_probe(emulated, None, ["cannot look for stlink probes: libusb is missing"])


def test_listing_survives_a_broken_driver(probe_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoBackendError(ValueError):
        """As pyusb's, where libusb is not installed."""

    class Broken:
        @staticmethod
        def get_all_connected_probes(unique_id: str | None, explicit: bool) -> list[Any]:
            raise NoBackendError("No backend available")

    monkeypatch.setitem(PROBE_CLASSES, "stlink", Broken)
    listing = list_probes()
    assert any("stlink" in n and "libusb" in n for n in listing.notices)
    (info,) = (p for p in listing.probes if p.unique_id == probe_id)
    assert info.is_emulated
    assert info.board_guess == "fake board"
    open_probe(probe_id).close()


def test_warnings_of_pyocd_while_listing_become_notices(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Warning:
        @staticmethod
        def get_all_connected_probes(unique_id: str | None, explicit: bool) -> list[Any]:
            logging.getLogger("pyocd.probe.common").warning("libusb library was not found")
            return []

    monkeypatch.setitem(PROBE_CLASSES, "cmsisdap", Warning)
    monkeypatch.setitem(PROBE_CLASSES, "stlink", Warning)
    assert list_probes().notices == ("pyocd: libusb library was not found",)
    with pytest.raises(ProbeNotFound, match="libusb library was not found"):
        open_probe()
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_hangs_while_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    class Hanging:
        @staticmethod
        def get_all_connected_probes(unique_id: str | None, explicit: bool) -> list[Any]:
            free.wait()
            return []

    monkeypatch.setitem(PROBE_CLASSES, "jlink", Hanging)
    monkeypatch.setattr(pyocd_probes, "LIST_LIMIT_S", 0.2)
    with pytest.raises(LinkTimeout, match="cannot look for probes"):
        list_probes()
    with pytest.raises(LinkTimeout, match="cannot look for probes"):
        open_probe(options=ProbeOptions(connect_limit_s=0.2))
    free.set()


def test_real_opening_refuses_ambiguity(probe_id: str) -> None:
    register_board("fake-0669FF495088", FakeChip)
    try:
        with pytest.raises(ProbeNotFound, match="fits 2 probes"):
            open_probe("fake-0669")
    finally:
        unregister_board("fake-0669FF495088")


def test_busy_probe(probe_id: str) -> None:
    with open_probe(probe_id), pytest.raises(LinkError, match="in use"):
        open_probe(probe_id, ProbeOptions(attempts=1))
    open_probe(probe_id).close()


# Failing

Break = Callable[..., Any]


def fail_after(monkeypatch: pytest.MonkeyPatch, count: int, failure: Break) -> list[str]:
    """Let the emulated probe work `count` times, then fail each time; return what was asked."""
    asked: list[str] = []
    for name in ("read_block", "write_block"):
        real = getattr(EmulatedProbe, name)

        def broken(self: EmulatedProbe, *args: Any, _real: Break = real, _name: str = name) -> Any:
            asked.append(_name)
            return failure() if len(asked) > count else _real(self, *args)

        monkeypatch.setattr(EmulatedProbe, name, broken)
    return asked


def raises(error: BaseException) -> Break:
    def fail() -> None:
        raise error

    return fail


def test_unplugged_in_mid_call(link: PyocdLink, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 1, raises(exceptions.ProbeDisconnected("USB device removed")))
    link.write(RAM, b"kick")
    with pytest.raises(LinkError, match=r"the probe is gone .*plugged in") as caught:
        link.read(RAM, 4)
    assert link.spec in caught.value.message
    link.close()


def test_usb_error_in_mid_call(link: PyocdLink, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 0, raises(OSError(errno.ENODEV, "No such device")))
    with pytest.raises(LinkError, match="the probe is gone"):
        link.write(RAM, b"kick")


def test_hanging_probe_is_given_up(probe_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later calls and closing do not wait again: the probe hears of none."""
    link = open_probe(probe_id)
    monkeypatch.setattr(link, "_options", ProbeOptions(limit_s=0.3))
    free = threading.Event()
    asked = fail_after(monkeypatch, 0, free.wait)
    with pytest.raises(LinkTimeout, match=r"no answer within 0\.3 s") as caught:
        link.read(RAM, 4)
    assert caught.value.timeout_s == 0.3
    with pytest.raises(LinkTimeout):
        link.read(RAM, 4)
    link.close()
    assert len(asked) == 1
    free.set()


def test_a_read_is_tried_once_more(link: PyocdLink, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([exceptions.TransferProtocolError("parity"), None])
    real = EmulatedProbe.read_block

    def flaky(self: EmulatedProbe, address: int, size: int) -> bytes:
        error = next(failures)
        if error is not None:
            raise error
        return real(self, address, size)

    monkeypatch.setattr(EmulatedProbe, "read_block", flaky)
    assert link.read(FLASH, 4) == bytes((0, 7, 14, 21))


def test_a_read_is_not_tried_a_third_time(link: PyocdLink, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fail_after(monkeypatch, 0, raises(exceptions.TransferProtocolError("parity")))
    with pytest.raises(LinkError, match="garbled"):
        link.read(FLASH, 4)
    assert asked == ["read_block"] * 2


def test_a_write_is_never_repeated(link: PyocdLink, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fail_after(monkeypatch, 0, raises(exceptions.TransferProtocolError("parity")))
    with pytest.raises(LinkError, match="garbled"):
        link.write(RAM, b"kick")
    assert asked == ["write_block"]


def test_a_lost_core_in_a_halted_scope_is_mentioned(
    link: PyocdLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = raises(exceptions.ProbeDisconnected("gone"))
    with pytest.raises(LinkError, match="may still be halted"):
        link.halted(lambda: fail_after(monkeypatch, 0, gone))


def test_connecting_is_tried_three_times(
    chip: FakeChip, probe_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = EmulatedProbe.open, []

    def flaky(self: EmulatedProbe) -> None:
        opened.append(self)
        if len(opened) < 3:
            raise exceptions.ProbeError("LIBUSB_ERROR_TIMEOUT")
        real(self)

    monkeypatch.setattr(EmulatedProbe, "open", flaky)
    monkeypatch.setattr("idoldbg.target.probe.link.time.sleep", lambda _: None)
    open_probe(probe_id).close()
    assert len(opened) == 3


def test_a_missing_target_is_reported_and_the_probe_released(
    probe_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(self: EmulatedProbe, register: int, now: bool = True) -> int:
        raise exceptions.TransferError("No ACK received")

    with monkeypatch.context() as patch:
        patch.setattr(EmulatedProbe, "read_dp", silent)
        with pytest.raises(LinkError, match=r"no target answers \(No ACK received\); check that"):
            open_probe(probe_id, ProbeOptions(attempts=1))
    open_probe(probe_id).close()


def test_use_after_close(probe_id: str) -> None:
    link = open_probe(probe_id)
    link.close()
    with pytest.raises(LinkError, match="closed"):
        link.read(FLASH, 4)


def test_nonsense_from_a_probe_is_a_link_error(
    link: PyocdLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nonsense in ([1], None, ["x"] * 4, [1 << 40] * 4):
        link.read(RAM, 16)  # it is opened anew after each failure
        ap = link._connection.ap  # type: ignore[union-attr]
        monkeypatch.setattr(ap, "read_memory_block32", lambda a, n, v=nonsense: v)
        with pytest.raises(LinkError):
            link.read(RAM, 16)


def test_the_bus_seen_by_the_probe_is_the_chips(chip: FakeChip, link: PyocdLink) -> None:
    assert link.read_word(0xE000ED00) == chip._read_ppb(0xE000ED00)
    assert 0xE000ED00 in PPB
