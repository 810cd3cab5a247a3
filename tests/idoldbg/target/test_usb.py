"""USB devices, as Linux lists them in files."""

from __future__ import annotations

from pathlib import Path

from idoldbg.session import attached_probe
from idoldbg.target.usb import UsbDevice, list_usb_devices


def add(folder: Path, place: str, **files: str) -> None:
    (folder / place).mkdir()
    for name, text in files.items():
        (folder / place / name).write_text(f"{text}\n")


def test_devices_are_listed_with_what_is_known_of_them(tmp_path: Path) -> None:
    add(tmp_path, "1-2", idVendor="0483", idProduct="5740", product="STM32 Virtual ComPort")
    add(tmp_path, "1-1", idVendor="0483", idProduct="374e", product="STLINK-V3", serial="002F")
    add(tmp_path, "1-3", idVendor="c251", product="LPC11U35 CMSIS-DAP")
    assert list_usb_devices(str(tmp_path)) == (
        UsbDevice("0483", "374e", "STLINK-V3", "002F"),
        UsbDevice("0483", "5740", "STM32 Virtual ComPort", ""),
        UsbDevice("c251", "", "LPC11U35 CMSIS-DAP", ""),
    )
    first, _, last = list_usb_devices(str(tmp_path))
    assert first.is_probe
    assert last.is_probe
    assert attached_probe(str(tmp_path)) == "STLINK-V3"


def test_other_devices_are_not_probes(tmp_path: Path) -> None:
    add(tmp_path, "1-1", idVendor="046d", idProduct="c31c", product="USB Keyboard")
    for number, (vendor, name) in enumerate(
        [
            ("0483", "STM32 Virtual ComPort"),
            ("0483", "STM32  BOOTLOADER"),
            ("1fc9", "NXP LPC MCU VCOM"),
        ]
    ):
        add(tmp_path, f"2-{number}", idVendor=vendor, product=name)
    add(tmp_path, "usb1", idVendor="1d6b", idProduct="0002", product="xHCI Host Controller")
    assert attached_probe(str(tmp_path)) is None


def test_a_system_without_the_list_has_none() -> None:
    assert list_usb_devices("/nowhere") == ()
    assert attached_probe("/nowhere") is None
