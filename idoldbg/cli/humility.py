"""Habits of Humility's users: its environment variables and its commands.

After `humility-cli/src/lib.rs` of Humility 0.13. Nothing of it counts where an option or a variable
`IDOLDBG_…` says something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idol.records import dataclass
from idoldbg.errors import ArgumentError

__all__ = ["IGNORE", "Variables", "advise", "read_variables", "translate_call"]

IGNORE = "IDOLDBG_IGNORE_HUMILITY"


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


def read_variables(environ: Mapping[str, str], *, wants_target: bool = True) -> Variables:
    """Read the variables; of those that name a connection the first counts, in Humility's order.

    Raises `ArgumentError` for HUMILITY_IP, which idoldbg has no link for, unless only the build is
    wanted, and where the archive of HUMILITY_ARCHIVE and the dump of HUMILITY_DUMP would contradict
    each other.
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
        if not wants_target:
            break
        raise ArgumentError(
            f"HUMILITY_IP is set, and idoldbg has no link over the network: name a target with "
            f"`--probe`, or set {IGNORE}=1",
            name=name,
        )
    return Variables(archive, None, None, environment)


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
