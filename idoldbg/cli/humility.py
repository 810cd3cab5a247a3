"""Habits of Humility's users: its environment variables, its texts for probes, its commands.

After `humility-cli/src/lib.rs` of Humility 0.13. Nothing of it counts where an option or a variable
`IDOLDBG_…` says something else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from idol.patterns import compile_late
from idol.records import dataclass
from idoldbg.errors import ArgumentError, ProbeNotFound

__all__ = ["IGNORE", "Variables", "advise", "read_variables", "to_spec", "translate_call"]

IGNORE = "IDOLDBG_IGNORE_HUMILITY"
USB_DEVICES = "/sys/bus/usb/devices"
_USB = compile_late(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::([^\n]*))?")
_NTH = compile_late(r"usb-(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Variables:
    """Connection that Humility's variables describe; None where they do not.

    `origin` is the variable that decided on `probe` or `target`, "" for none.
    """

    archive: str | None = None
    probe: str | None = None
    target: str | None = None
    environment: str | None = None
    origin: str = ""


def read_variables(environ: Mapping[str, str]) -> Variables:
    """Read the variables; of those that name a connection the first counts, in Humility's order.

    Raises `ArgumentError` for HUMILITY_IP, which idoldbg has no link for, and where the archive of
    HUMILITY_ARCHIVE and the dump of HUMILITY_DUMP would contradict each other.
    """
    if environ.get(IGNORE):
        return Variables()
    archive = environ.get("HUMILITY_ARCHIVE") or None
    environment = environ.get("HUMILITY_ENVIRONMENT") or None
    for name in ("HUMILITY_PROBE", "HUMILITY_IP", "HUMILITY_TARGET", "HUMILITY_DUMP"):
        value = environ.get(name)
        if not value:
            continue
        match name:
            case "HUMILITY_PROBE":
                return Variables(archive, value, None, environment, name)
            case "HUMILITY_TARGET":
                return Variables(archive, None, value, environment, name)
            case "HUMILITY_DUMP" if archive is None:
                return Variables(None, f"dump:{value}", None, environment, name)
            case "HUMILITY_DUMP":
                raise ArgumentError(
                    "HUMILITY_ARCHIVE and HUMILITY_DUMP are both set, and a dump has its build "
                    f"inside: unset one of them, or set {IGNORE}=1",
                    name=name,
                )
        raise ArgumentError(
            f"HUMILITY_IP is set, and idoldbg has no link over the network: name a target with "
            f"`--probe`, or set {IGNORE}=1",
            name=name,
        )
    return Variables(archive, None, None, environment)


def to_spec(text: str, list_probes: Callable[[], Sequence[str]]) -> str:
    """Return the SPEC for Humility's text of a probe, any other text as it is.

    `auto` and `usb` are the only probe, `usb-N` the one of that index among `list_probes()`, their
    ids; `VID:PID:SERIAL` and `VID:PID` are found by their serial number. Raises `ProbeNotFound`.
    """
    if text in ("auto", "usb"):
        return "pyocd"
    nth = _NTH.fullmatch(text)
    if nth is not None:
        ids = sorted(list_probes())
        if int(nth[1]) >= len(ids):
            raise ProbeNotFound(f"`{text}`: {len(ids)} probes are connected", link=text)
        return f"pyocd:{ids[int(nth[1])]}"
    usb = _USB.fullmatch(text)
    if usb is None:
        return text
    vendor, product, serial = usb.groups()
    return f"pyocd:{serial or _find_serial(vendor.lower(), product.lower())}"


def _find_serial(vendor: str, product: str, devices: str = USB_DEVICES) -> str:
    """Return the serial number of the only USB device with these ids, from Linux's list."""
    names = sorted(os.listdir(devices)) if os.path.isdir(devices) else []  # noqa: PTH112, PTH208  # slow to import
    folders = [f"{devices}/{name}" for name in names]
    serials = [
        _read(f"{folder}/serial")
        for folder in folders
        if (_read(f"{folder}/idVendor"), _read(f"{folder}/idProduct")) == (vendor, product)
    ]
    name = f"{vendor}:{product}"
    if len(serials) == 1 and serials[0]:
        return serials[0]
    if not serials:
        raise ProbeNotFound(f"{name}: no such USB device is connected", link=name)
    raise ProbeNotFound(
        f"{name} fits {len(serials)} USB devices, name one by its serial number: "
        + ", ".join(f"{name}:{serial or '?'}" for serial in serials),
        link=name,
    )


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:  # noqa: PTH123  # slow to import
            return file.read().strip()
    except OSError:
        return ""


_OTHER_NAMES = {
    "auxflash": "call AuxFlash.…",
    "jefe": "task hold|release|restart|fault NAME",
    "lpc55gpio": "gpio",
    "probe": "probes -v",
    "repl": "shell",
    "spctrl": "call SpCtrl.…",
    "stackmargins": "stackmargin",
    "writeword": "writemem",
}
"""Commands of Humility whose job has another name here."""

_LEFT_OUT = frozenset(
    {
        "console-proxy", "dashboard", "debugmailbox", "discover", "doc", "ereport", "gimlet",
        "host", "ibc", "monorail", "mwocp", "net", "openocd", "pmbus", "power", "powershelf",
        "qspi", "rebootleby", "rencm", "rendmp", "sbrmi", "spd", "spi", "stmsecure",
        "tofino-eeprom", "validate", "vpd",
    }
)  # fmt: skip
"""Commands for Oxide's own parts, or over the network."""


def advise(command: str, known: Sequence[str]) -> str | None:
    """Return what to type here instead of a command of Humility; None for other names."""
    other = _OTHER_NAMES.get(command)
    if other is not None:
        return f"Humility's `{command}` is `{other}` here"
    if command in _LEFT_OUT and command not in known:
        return (
            f"Humility's `{command}` has no counterpart here; what a driver serves can be called: "
            "see `idoldbg list`"
        )
    return None


def translate_call(arguments: Sequence[str]) -> str | None:
    """Return the command line here for Humility's `hiffy -c IFACE.OP -a NAME=VALUE,…` or `-l`.

    None where the arguments are not of that form. The name of a lease, which Humility leaves out,
    is written LEASE.
    """
    import shlex  # mistakes alone need it

    call = ""
    options: list[str] = []
    given = iter(arguments)
    for argument in given:
        flag, equals, value = argument.partition("=")
        name = _FLAGS.get(flag)
        if name in ("list", "list --hiffy"):
            return f"idoldbg {name}"
        if name is None:
            continue
        text = value if equals else next(given, "")
        match name:
            case "call":
                call = text
            case "arguments":
                pairs = (part.partition("=") for part in text.split(",") if part)
                options += [f"--{n.replace('_', '-')} {shlex.quote(v)}" for n, _, v in pairs]
            case "output":
                options.append(f"-o {shlex.quote(text)}")
            case _:
                options.append(f"--LEASE {'@' if name == 'input' else ''}{shlex.quote(text)}")
    return " ".join(["idoldbg call", shlex.quote(call), *options]) if call else None


_FLAGS = {
    flag: name
    for name, flags in {
        "call": ("-c", "--call"),
        "arguments": ("-a", "--arguments"),
        "input": ("-i", "--input"),
        "output": ("-o", "--output"),
        "size": ("-n", "--num"),
        "list": ("-l", "--list"),
        "list --hiffy": ("-L", "--list-functions"),
    }.items()
    for flag in flags
}
