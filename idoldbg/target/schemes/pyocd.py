"""`pyocd`, `pyocd:UID`: a debug probe; `pyocd:emu`: the emulated board through pyOCD's stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink

EMULATED = "emu"


@opener(
    "pyocd",
    "pyocd:UID",
    f"pyocd:{EMULATED}",
    site=lambda spec: Site.HERE if spec.rest == EMULATED else Site.ELSEWHERE,
)
def open_pyocd(spec: Spec, wanted: Wanted) -> BaseLink:
    """Attach through a local probe."""
    from idoldbg.target.probe.link import open_driver, open_probe  # loads pyOCD, 0.3 s
    from idoldbg.target.probe.settings import probe_options

    options = probe_options(wanted.options, wanted.archive, wanted.notify)
    if spec.rest != EMULATED:
        return open_probe(spec.rest, options, attaches=wanted.attaches)
    from idoldbg.target.emulated.making import emulate
    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
    from idoldbg.target.emulated.pyocd_probe.boards import OfferedBoard

    offer = OfferedBoard(EMULATED, EMULATED, lambda: emulate(wanted.options, wanted.archive))
    return open_driver(str(spec), lambda: EmulatedProbe(offer), options, attaches=wanted.attaches)
