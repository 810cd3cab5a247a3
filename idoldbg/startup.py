"""Resets a target, checks which image it runs, and waits until its firmware is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from idoldbg.errors import (
    CallError,
    DebugInfoError,
    FaultError,
    HiffyFailure,
    MismatchError,
    NotCallable,
)
from idoldbg.model.archive import Archive
from idoldbg.session import Session
from idoldbg.target.capability import ResetCheck, ResetControl, RunControl
from idoldbg.views.tasks import is_before_tasks, is_halted

__all__ = ["check_image", "has_handoff", "reset", "reset_with", "settle", "wait_until_up"]

HANDOFF = "measurement-handoff"
"""Feature of kernels that reset themselves some times unless they find a token when they start."""
TOKEN_ADDRESS = 0x2000_0000  # the DTCM (Hubris, lib/measurement-handoff)
SKIP_TOKEN = 0x9F38_BD71  # "a debugger does not want these resets" (lpc55_support)
SETTLE_S = 0.02  # what tasks take from their start to their first receive, with some to spare


def check_image(session: Session) -> None:
    """Compare the image on the target with the build; raise `MismatchError`.

    Does nothing on a target that has no `RunControl`, such as a core dump: it holds no flash.
    """
    if session.target.can(RunControl):
        session.caller.check_image()


def settle(session: Session) -> None:
    """Compare the images, then let a target that just began to run start its tasks.

    Raises `MismatchError`. Does nothing on a target that has no `RunControl`, such as a core dump.
    """
    if not session.target.can(RunControl):
        return
    session.caller.check_image()
    if session.target.is_in_past:
        return
    try:
        session.caller.wait_until_ready()
    except (NotCallable, DebugInfoError):  # no hiffy, or none that can be read
        _wait_for_kernel(session)
    except CallError:  # whoever looks at the target sees how far it got
        if is_halted(session.link):
            session.notify(
                "the core is halted: the tasks are shown as memory has them, which may be from "
                "before a reset"
            )


def wait_until_up(session: Session) -> bool:
    """Let the target run until its tasks do: until hiffy waits for work, where there is one.

    Returns False, and tells `notify`, where this build's debug information does not show whether
    they do. Raises `MismatchError` for another image, `HiffyFailure` when it does not come up in
    time.
    """
    session.caller.check_image()
    try:
        session.caller.wait_until_ready()
    except (NotCallable, DebugInfoError):  # no hiffy, or none that can be read
        _wait_for_kernel(session)
        is_before, reason = _look_at_kernel(session)
        if reason:
            session.notify(f"whether the tasks have started is unknown: {reason}")
            return False
        if is_before:
            raise HiffyFailure(
                f"the kernel had started no task within {session.timeout_s:g} s",
                failure="not ready",
            ) from None
    return True


def _wait_for_kernel(session: Session) -> None:
    """Let the target run until its kernel has started, and its tasks a moment longer."""
    link = session.link
    end_s = link.monotonic() + session.timeout_s
    while _look_at_kernel(session)[0] and link.monotonic() < end_s:
        link.wait(SETTLE_S)
    link.wait(SETTLE_S)


def _look_at_kernel(session: Session) -> tuple[bool, str]:
    """Return whether the kernel has yet to start its tasks, and why that is unknown, if so."""
    try:
        if session.program.find_word("CURRENT_TASK_PTR") is None:
            return False, "the kernel's CURRENT_TASK_PTR is not known, or not readable"
        return is_before_tasks(session.program), ""
    except DebugInfoError as error:
        return False, str(error)


def has_handoff(archive: Archive) -> bool:
    """Return whether the kernel waits to be measured, and takes a token that says not to."""
    kernel = archive.app.get("kernel")
    features = kernel.get("features") if isinstance(kernel, Mapping) else None
    return isinstance(features, list) and HANDOFF in features


def reset(session: Session) -> None:
    """Reset the target and let it run; the next call waits until hiffy has started anew.

    A kernel that `has_handoff` gets its token.
    """
    if has_handoff(session.program.archive) and session.target.can(ResetControl):
        reset_with(session, halt=False, line=False)
        return
    _check_reset(session, line=False)
    _reset(session, session.target.need(RunControl).reset, halt=False)


def reset_with(session: Session, *, halt: bool, line: bool, token: bool = True) -> bool:
    """Reset as `ResetControl.reset_with`; raise `Unsupported` where the link cannot.

    With `token`, a kernel that `has_handoff` finds its token when it starts: the core is halted at
    its first instruction for that, whatever `halt` says. Returns whether it does.
    """
    control, link = session.target.need(ResetControl), session.link
    _check_reset(session, line=line)
    has_token = token and has_handoff(session.program.archive)

    def act() -> None:
        control.reset_with(halt=halt or has_token, line=line)
        if has_token:
            link.write(TOKEN_ADDRESS, SKIP_TOKEN.to_bytes(4, "little"))
            if not halt:
                link.resume()

    _reset(session, act, halt=halt)
    return has_token


def _check_reset(session: Session, *, line: bool) -> None:
    """Raise `Unsupported` for a reset that the target cannot do, while hiffy is left alone."""
    if session.target.can(ResetCheck):
        session.target.need(ResetCheck).check_reset(line=line)


def _reset(session: Session, action: Callable[[], None], *, halt: bool) -> None:
    """Reset, but not amid somebody's call.

    RAM survives a reset. Until the startup code has run, hiffy would look ready, and if the core is
    to stay halted, the kernel would seem to run: so their words are zeroed, as the startup code
    does. Nothing is written where the target runs another image.
    """
    caller, link = session.caller, session.link
    forensics = caller.forensics

    def reset_alone() -> None:
        caller.forget()  # others may have flashed it until now
        try:
            caller.check_image()
            is_ours = True
        except (MismatchError, FaultError):
            is_ours = False
        with suppress(NotCallable, DebugInfoError):  # no hiffy: nothing will be fooled
            if is_ours and forensics is not None:
                forensics.transport.stop_taking_calls(link.halt)
        action()
        with suppress(DebugInfoError):
            current = session.program.kernel_address("CURRENT_TASK_PTR")
            if is_ours and halt and current is not None:
                link.write(current, bytes(4))

    link.alone(reset_alone)
    caller.forget()
