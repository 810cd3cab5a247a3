"""A running OpenOCD as a link, through its Tcl port: memory while the core runs.

OpenOCD drives J-Link, FTDI adapters, Black Magic probes, and others that pyOCD does not. How it
attaches, how fast, and how it resets is its own configuration's affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from idoldbg.errors import FaultError, LinkError, LinkTimeout, Unsupported
from idoldbg.target.host_lock import HostLock
from idoldbg.target.link import BaseLink
from idoldbg.target.probe.core_debug import DHCSR, S_HALT, CoreDebug
from idoldbg.target.servers.openocd_tcl import (
    END,
    Malformed,
    Outcome,
    ReadOutcome,
    Transfer,
    decode_outcome,
    decode_reads,
    decode_registers,
    encode_command,
    encode_reads,
    encode_write,
    plan_reads,
    plan_writes,
    register_name,
)
from idoldbg.target.servers.stream import GREETING_LIMIT_S, Deadline, Stream
from idoldbg.target.signals import HeldSignals, hold_lock

__all__ = ["OpenocdLink"]

T = TypeVar("T")

LIMIT_S = 15.0
"""How long an answer may take. OpenOCD's own limits for halting and resetting are 5 s."""
ANSWER_LIMIT = 1 << 20
REQUEST_BYTES = 32 << 10  # of memory in one request
CPUID = 0xE000ED00
FIRST_VERSION = "0.12"
HINT = "start OpenOCD for your board (`openocd -f board/NAME.cfg`); its Tcl port is 6666 by default"


class OpenocdLink(BaseLink):
    """One connection to the Tcl port of a running OpenOCD, with its current target."""

    kind = "debug server (OpenOCD)"
    source = "probe"

    def __init__(
        self, spec: str, host: str, port: int, lock: HostLock | None = None, *,
        limit_s: float = LIMIT_S,
    ) -> None:  # fmt: skip
        super().__init__(spec, "")
        self._lock = lock
        self._limit_s = limit_s
        self._buffer = bytearray()
        self._depth = 0
        self._resumes = False
        self.requests = 0
        """How many commands were sent."""
        self._stream = Stream(spec, host, port, server="OpenOCD", hint=HINT)
        try:
            self._greet()
        except BaseException:
            self._stream.close()
            raise

    def _greet(self) -> None:
        """See that it is an OpenOCD with a target, and what that does."""
        deadline = Deadline(min(self._limit_s, GREETING_LIMIT_S))
        try:
            version = self._outcome(self._exchange(encode_command("version"), deadline)).text
        except LinkError as error:
            raise LinkError(
                f"{error.message}: is this its Tcl port? (`tcl_port`; 6666 by default)",
                link=self.spec,
            ) from error
        names = self._try("target names").text.split()
        if not self._ask("info commands read_memory"):
            raise self._stream.fail(
                f"{version[:60]} cannot read memory: it must be initialised (`init`), and of "
                f"version {FIRST_VERSION} or later"
            )
        if not names:
            raise self._stream.fail(
                "OpenOCD has no target; start it with the configuration of a board "
                "(`openocd -f board/NAME.cfg`)"
            )
        current = self._ask("target current")
        self.description = f"target {current[:80]} of {version[:60]}"
        notices = []
        if len(names) > 1:
            notices.append(
                f"OpenOCD has {len(names)} targets, and this is {current}; its command "
                "`targets NAME` chooses another"
            )
        core = CoreDebug(_Words(self), self.wait, self.monotonic, link=self.spec)
        standstill = core.explain_standstill()
        self.notices = (*notices, standstill) if standstill else tuple(notices)

    # ------------------------------------------------------------------ memory

    def read(self, address: int, size: int) -> bytes:
        return self.read_many([(address, size)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges, as many in one request as fit into one."""
        for address, size in ranges:
            self.check_range("read", address, size)
        plans = [plan_reads(address, size) if size else () for address, size in ranges]
        found = self._read([transfer for plan in plans for transfer in plan])
        parts, at = [], 0
        for (address, size), plan in zip(ranges, plans, strict=True):
            data = b"".join(found[at : at + len(plan)])
            skip = address - plan[0].address if plan else 0
            parts.append(data[skip : skip + size])
            at += len(plan)
        return parts

    def _read(self, transfers: Sequence[Transfer]) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < len(transfers):
            batch: list[Transfer] = []
            total = 0
            for transfer in transfers[len(found) :]:
                if batch and total + transfer.size > REQUEST_BYTES:
                    break
                batch.append(transfer)
                total += transfer.size
            outcome = self._read_batch(batch)
            found += outcome.data
            if outcome.error is not None:
                raise self._failed("read", batch[len(outcome.data)], outcome.error)
        return found

    def _read_batch(self, batch: Sequence[Transfer]) -> ReadOutcome:
        answer = self._exchange(encode_reads(batch))
        try:
            return decode_reads(batch, answer)
        except Malformed as error:
            raise self._stream.fail(str(error)) from None

    def write(self, address: int, data: bytes) -> None:
        self.check_range("write", address, len(data))
        for transfer in plan_writes(address, len(data)):
            at = transfer.address - address
            part = data[at : at + transfer.size]
            outcome = self._outcome(self._exchange(encode_write(transfer, part)))
            if outcome.failed:
                raise self._failed("write", transfer, outcome.text)

    def _failed(self, doing: str, transfer: Transfer, reason: str) -> FaultError | LinkError:
        """Return the error of an access: OpenOCD says the same of a hole and of a lost target."""
        check = [Transfer(CPUID, 4, 1)]
        if self._read_batch(check).error is not None:
            return LinkError(
                f"{self.spec}: OpenOCD cannot reach the target any more ({reason}); its own output "
                "says why: look whether the board is powered, and start OpenOCD anew if the probe "
                "was unplugged",
                link=self.spec,
            )
        return FaultError(
            f"{self.spec}: cannot {doing} {transfer.size} bytes at 0x{transfer.address:08x}: "
            f"OpenOCD says `{reason}`",
            address=transfer.address,
            size=transfer.size,
        )

    # ------------------------------------------------------------------ the core

    def read_register(self, name: str) -> int:
        known = register_name(name)
        if known is None:
            raise self._no_register(name)
        outcome = self.halted(lambda: self._try(f"get_reg {{{known[0]}}}"))
        if outcome.failed and "unknown register" in outcome.text:
            raise self._no_register(name)
        if outcome.failed:
            raise LinkError(
                f"{self.spec}: OpenOCD cannot read register {name}: {outcome.text}", link=self.spec
            )
        try:
            return decode_registers(outcome.text, known[0]) >> known[1] & 0xFFFFFFFF
        except Malformed as error:
            raise self._stream.fail(str(error)) from None

    def _no_register(self, name: str) -> Unsupported:
        return Unsupported(
            f"{self.spec}: OpenOCD's target has no register `{name}`",
            capability="registers",
            link=self.spec,
        )

    def halt(self) -> None:
        """Stop the core; it stays so when this link is closed."""
        if self._is_halted():
            return
        self._command("halt", "halt the core")
        if not self._is_halted():
            raise LinkTimeout(
                f"{self.spec}: OpenOCD's `halt` had no effect; its own output may say why",
                timeout_s=self._limit_s,
                link=self.spec,
            )

    def resume(self) -> None:
        if self._is_halted():
            self._command("resume", "let the core run")

    def halted(self, action: Callable[[], T]) -> T:
        return hold_lock(self._hold, action, self._release)

    def _hold(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._resumes = not self._is_halted()
            if self._resumes:
                self.halt()

    def _release(self) -> None:
        self._depth -= 1
        if self._depth or not self._resumes:
            return
        self._resumes = False
        try:
            self.resume()
        except LinkError as error:
            raise LinkError(
                f"{error.message}; the core may still be halted: reset it, or `resume` in OpenOCD",
                link=self.spec,
            ) from error

    def _is_halted(self) -> bool:
        """Return whether the core is halted, and see to it that OpenOCD knows."""
        self._ask("poll")
        word = self.read(DHCSR, 4)
        return bool(int.from_bytes(word, "little") & S_HALT)

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def check_reset(self, *, line: bool) -> None:
        """Refuse `line` where OpenOCD is not configured to use it; else it does so by itself."""
        if line and "srst" not in self._ask("reset_config"):
            raise Unsupported(
                f"{self.spec}: OpenOCD is configured without a reset line (`reset_config "
                "srst_only` sets one); reset without --hard",
                capability="reset",
                link=self.spec,
            )

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset as OpenOCD is configured to, by the line where it has one."""
        self.check_reset(line=line)
        self._command("reset halt" if halt else "reset run", "reset the target")
        if self._is_halted() != halt:
            state = "is not halted" if halt else "is halted"
            raise LinkError(f"{self.spec}: after OpenOCD's reset the core {state}", link=self.spec)

    def _command(self, command: str, doing: str) -> None:
        outcome = self._try(command)
        if outcome.failed:
            reason = outcome.text or "its own output says why"
            raise LinkError(f"{self.spec}: OpenOCD cannot {doing}: {reason}", link=self.spec)

    # ------------------------------------------------------------------ time, and the end

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Let go of the server; a core that `halt` stopped stays halted."""
        self._stream.close()
        if self._lock is not None:
            self._lock.release()

    # ------------------------------------------------------------------ requests

    def _ask(self, command: str) -> str:
        """Return the result of a command that cannot fail on an OpenOCD with a target."""
        outcome = self._try(command)
        if outcome.failed:
            raise LinkError(
                f"{self.spec}: OpenOCD refuses `{command}`: {outcome.text}", link=self.spec
            )
        return outcome.text

    def _try(self, command: str) -> Outcome:
        return self._outcome(self._exchange(encode_command(command)))

    def _outcome(self, answer: bytes) -> Outcome:
        try:
            return decode_outcome(answer)
        except Malformed as error:
            raise self._stream.fail(str(error)) from None

    def _exchange(self, request: bytes, deadline: Deadline | None = None) -> bytes:
        """Send one command and return the answer, without its end."""
        with HeldSignals():
            return self._exchange_whole(request, deadline or Deadline(self._limit_s))

    def _exchange_whole(self, request: bytes, deadline: Deadline) -> bytes:
        self.requests += 1
        if self._buffer:
            raise self._stream.fail("it answered more than it was asked")
        self._stream.send(request, deadline)
        while (end := self._buffer.find(END)) < 0:
            if len(self._buffer) > ANSWER_LIMIT:
                raise self._stream.fail(f"its answer is longer than {ANSWER_LIMIT >> 20} MiB")
            self._buffer += self._stream.receive(deadline)
        answer = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return answer


class _Words:
    """A link's memory as single words."""

    def __init__(self, link: OpenocdLink) -> None:
        self._link = link

    def read_word(self, address: int) -> int:
        return int.from_bytes(self._link.read(address, 4), "little")

    def write_word(self, address: int, value: int) -> None:
        self._link.write(address, value.to_bytes(4, "little"))
