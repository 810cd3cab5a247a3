"""Opens the target of a SPEC with the opener of its scheme.

The opener of `name` is in `idoldbg/target/schemes/name.py`, under `@opener`. The help and
errors that list the SPECs are made from what the openers say of themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING

from idol.records import dataclass
from idoldbg.errors import ArgumentError
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.build.load import Build
    from idoldbg.model.archive import Archive
    from idoldbg.target.link import BaseLink
    from idoldbg.target.target import Target

__all__ = [
    "CONNECT_MODES",
    "Notify",
    "Scheme",
    "Site",
    "TargetOptions",
    "Wanted",
    "find_scheme",
    "ignore",
    "is_spec",
    "list_schemes",
    "open_target",
    "opener",
    "spec_forms",
]

SCHEMES = "idoldbg.target.schemes"
CONNECT_MODES = ("attach", "under-reset", "awake")
"""How a probe attaches: to the running target; while it holds the target in reset, which then
boots; or insisting where a sleeping core answers seldom, and keeping its debug clock on then."""

Notify = Callable[[str], None]


def ignore(_notice: str) -> None:
    """Drop notices that a caller of the library did not ask for."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Options of a target: `--archive`, `--board` and `--probe`, None where not given.

    `uart` is a file for what an emulated board sends on its serial ports. `use_cache` reads and
    keeps an index of the archive in the user's cache directory; `notify` is told where that fails.
    `wait_s` is how long to wait for a probe that another process has open. `record` is a file for
    what crosses the link (`idoldbg.target.recording`). `speed_hz` is a probe's debug clock, and
    `connect` how it attaches (one of `CONNECT_MODES`); None leaves both to the board's file.
    """

    archive: str | None = None
    board: str | None = None
    probe: str | None = None
    timeout_s: float = 5.0
    uart: str | None = None
    use_cache: bool = True
    notify: Notify = ignore
    wait_s: float = 0.0
    record: str | None = None
    speed_hz: int | None = None
    connect: str | None = None

    @property
    def spec(self) -> Spec | None:
        """`probe`, parsed."""
        return None if self.probe is None else Spec.parse(self.probe)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Request to an opener: a target for a build.

    `build` is the build as it was opened, where it was: a core dump, it is the target as well.
    `notify` gets sentences for the user. Without `attaches` a probe leaves the target alone until
    it is flashed.
    """

    options: TargetOptions
    archive: Archive
    notify: Notify = ignore
    attaches: bool = True
    build: Build | None = None


class Site(Enum):
    """Location of a target."""

    HERE = "made by this process, and ends with it"
    ELSEWHERE = "there without us, and perhaps used by others"
    FILE = "a recording of one"


@dataclass(frozen=True, slots=True)
class Scheme:
    """A kind of SPEC. `forms` are its SPECs as help shows them: `emu`, `emu:NAME`."""

    forms: tuple[str, ...]
    open: Callable[[Spec, Wanted], BaseLink]
    site: Callable[[Spec], Site]
    build: Callable[[Spec], str | None] | None = None
    """Returns the path of the build that the target runs, None where it runs whatever is given."""
    open_with: Callable[[Spec, Archive], Build] | None = None
    """Opens a target that is a file with a build; raises `MismatchError` for one not its own."""

    def knows_build(self, spec: Spec) -> bool:
        """Return whether a SPEC is enough to find a build."""
        return self.build is not None or self.site(spec) is Site.HERE


def opener(
    *forms: str,
    site: Callable[[Spec], Site],
    build: Callable[[Spec], str | None] | None = None,
    open_with: Callable[[Spec, Archive], Build] | None = None,
) -> Callable[[Callable[[Spec, Wanted], BaseLink]], Scheme]:
    """Make the scheme of a function that opens its links; the arguments are as for `Scheme`."""
    return lambda function: Scheme(forms, function, site, build, open_with)


def find_scheme(spec: Spec) -> Scheme:
    """Return the scheme of a SPEC; raise `ArgumentError` for a SPEC that names no target."""
    if not spec.scheme or spec.rest == "":  # as of a variable that was not set
        raise ArgumentError(
            f"`{spec}` does not say which target; use {spec_forms()}", name="--probe"
        )
    scheme = _load(spec.scheme)
    if scheme is None or (spec.rest is None and spec.scheme not in scheme.forms):
        raise ArgumentError(f"unknown target `{spec}`: use {spec_forms()}", name="--probe")
    return scheme


def is_spec(text: str) -> bool:
    """Return whether a text names a target, as `find_scheme` does."""
    try:
        find_scheme(Spec.parse(text))
    except ArgumentError:
        return False
    return True


def open_target(spec: Spec, wanted: Wanted) -> Target:
    """Open the target of a SPEC, and record what crosses its link where that is wanted."""
    from idoldbg.target.target import Target

    scheme, path = find_scheme(spec), wanted.options.record
    if path is not None and scheme.site(spec) is Site.FILE:
        raise ArgumentError(f"{spec} is a file already; record a running target", name="--record")
    link = scheme.open(spec, wanted)
    if path is None:
        return Target(link)
    from pathlib import Path

    from idoldbg.target.recording import Recorder

    try:
        archive, timeout_s = str(Path(wanted.archive.path).absolute()), wanted.options.timeout_s
        return Target(link, Recorder(path, link, archive=archive, timeout_s=timeout_s))
    except BaseException:
        link.close()
        raise


def list_schemes() -> tuple[Scheme, ...]:
    """Return all schemes: those of running targets first, then those of files, by name."""
    (folder,) = import_module(SCHEMES).__path__
    files = (name for name in os.listdir(folder) if name[0] != "_")  # noqa: PTH208  # slow to import
    names = sorted(name.removesuffix(".py") for name in files if name.endswith(".py"))
    found = [scheme for name in names if (scheme := _load(name)) is not None]
    return tuple(sorted(found, key=lambda s: s.site(Spec.parse(s.forms[0])) is Site.FILE))


def spec_forms(conjunction: str = "or") -> str:
    """List all forms of SPECs in words."""
    *first, last = (form for scheme in list_schemes() for form in scheme.forms)
    return f"{', '.join(first)} {conjunction} {last}"


def _load(name: str) -> Scheme | None:
    """Return the scheme of the module that has its name, None where there is none."""
    if not name.isidentifier() or name.startswith("_"):
        return None
    module = f"{SCHEMES}.{name}"
    try:
        scheme = getattr(import_module(module), f"open_{name}")
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
    assert isinstance(scheme, Scheme)
    return scheme
