"""Emulated boards that live as long as one command."""

from __future__ import annotations

from idoldbg.cli.output import say
from idoldbg.session import Session
from idoldbg.target.open import Site, find_scheme
from idoldbg.target.spec import Spec

__all__ = ["KEEP_ONE", "is_throwaway", "warn_if_throwaway"]

KEEP_ONE = (
    "this emulated board ends with the command; `idoldbg board start NAME` keeps one running, for "
    "--probe emu:NAME"
)


def is_throwaway(session: Session) -> bool:
    """Return whether the session's target is an emulated board in this process."""
    chosen = Spec.parse(session.link.spec)
    return find_scheme(chosen).site(chosen) is Site.HERE


def warn_if_throwaway(session: Session) -> None:
    """Print a note where what a command does to the target ends with it."""
    if is_throwaway(session):
        say(KEEP_ONE)
