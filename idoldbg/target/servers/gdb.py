"""A GDB server as a link: OpenOCD, pyOCD, J-Link, Black Magic Probe, QEMU, Renode.

The protocol gives memory only while the core stands still, and most servers stop it when somebody
connects. So the core is let run at once, each access stops it for as long as it takes, and closing
the connection lets it run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from idoldbg.errors import IdoldbgError, LinkError, Unsupported
from idoldbg.target.host_lock import HostLock
from idoldbg.target.link import BaseLink
from idoldbg.target.open import Notify, ignore
from idoldbg.target.servers.gdb_client import LIMIT_S, GdbClient
from idoldbg.target.servers.gdb_features import (
    DEFAULT,
    FeatureError,
    Register,
    find_register,
    read_registers,
)
from idoldbg.target.servers.gdb_memory import VTOR, open_memory
from idoldbg.target.servers.gdb_packets import (
    GdbError,
    decode_error_reply,
    decode_hex,
)
from idoldbg.target.servers.gdb_servers import ASK_VERSION, ServerKind, recognise
from idoldbg.target.signals import hold_lock

__all__ = ["GdbLink"]

T = TypeVar("T")

DHCSR, C_HALT, S_HALT = 0xE000EDF0, 1 << 1, 1 << 17

SHORT_HALTS = (
    "the GDB server reads memory of a halted core only: the core is stopped for a moment on "
    "connecting and at each access"
)
NOT_KEPT = (
    "whether the core now stays halted is up to the GDB server, and the next command of idoldbg "
    "lets it run: use `idoldbg shell` for more than one look"
)


class GdbLink(BaseLink):
    """One connection to a GDB server.

    DHCSR reads as it would without us: its halt bits are what the link knows, for a server that
    stops the core to read would always show it halted, and QEMU has no such register.
    """

    kind = "GDB server"
    source = "probe"

    def __init__(
        self,
        spec: str,
        host: str,
        port: int,
        lock: HostLock | None = None,
        *,
        notify: Notify = ignore,
        limit_s: float = LIMIT_S,
    ) -> None:
        super().__init__(spec, "GDB server", (SHORT_HALTS,))
        self._lock, self._notify = lock, notify
        self._client = GdbClient(spec, host, port, limit_s=limit_s)
        self._stopped = True
        """Whether the core stands still as far as the protocol goes."""
        self._halted = False
        """Whether it is to stand still when nobody accesses anything."""
        self._depth = 0
        self._registers: Mapping[str, Register] = DEFAULT
        self._continue = b"c"
        self._has_p = False  # without a description OpenOCD hangs up at an unknown number
        try:
            self._greet()
        except BaseException:
            with suppress(LinkError):  # it stopped the core when we connected
                if self._client.is_open:
                    self._let_run()
            self._client.close()
            raise

    def _greet(self) -> None:
        client = self._client
        client.greet()
        self._find_target()
        if self._client.supported.get("qXfer:features:read") == "+":
            self._read_features()
        if b";c" in client.ask(b"vCont?"):
            self._continue = b"vCont;c"
        self._server = self._recognise()
        self.description = f"{self._server.name} at {self.spec.partition(':')[2]}"
        self._memory = open_memory(client, self._server)
        self._let_run()

    def _find_target(self) -> None:
        """See that there is a target, also where it has to be chosen first."""
        stop = self._client.ask_stop()
        if stop[:1] in (b"T", b"S"):
            return
        raise self._client.fail(
            f"the server has no target (it answers `{stop[:40].decode(errors='replace')}`); with a "
            "Black Magic Probe, `monitor swdp_scan` and `attach 1` in gdb find one"
        )

    def _recognise(self) -> ServerKind:
        try:
            return recognise(self._client.monitor(ASK_VERSION))
        except LinkError as error:
            if not self._client.is_open:
                raise
            return recognise(str(error))

    def _read_features(self) -> None:
        """Learn the registers from the server's description of its target."""
        try:
            self._registers = read_registers(lambda name: self._client.transfer("features", name))
            self._has_p = True
        except (FeatureError, LinkError) as error:
            if not self._client.is_open:
                raise
            self.notices += (
                f"the server's register description cannot be used ({error}); registers are those "
                "of any Arm core",
            )

    # ------------------------------------------------------------------ memory

    def read(self, address: int, size: int) -> bytes:
        return self.read_many([(address, size)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges while the core stands still once."""
        for address, size in ranges:
            self.check_range("read", address, size)
        return self._still(lambda: [self._read(address, size) for address, size in ranges])

    def _read(self, address: int, size: int) -> bytes:
        if (address, size) == (DHCSR, 4):
            return self._halt_bits(self._memory.try_word(DHCSR) or 0).to_bytes(4, "little")
        data, at = self._memory.read(address, size), DHCSR - address
        if not 0 <= at <= size - 4:
            return data
        word = self._halt_bits(int.from_bytes(data[at : at + 4], "little"))
        return data[:at] + word.to_bytes(4, "little") + data[at + 4 :]

    def _halt_bits(self, dhcsr: int) -> int:
        return dhcsr & ~(S_HALT | C_HALT) | (S_HALT | C_HALT if self._halted else 0)

    def write(self, address: int, data: bytes) -> None:
        self.check_range("write", address, len(data))
        self._still(lambda: self._memory.write(address, data))

    # ------------------------------------------------------------------ the core

    def read_register(self, name: str) -> int:
        place = find_register(self._registers, name)
        if place is None:
            raise self._no_register(name)
        register, shift, bits = place
        data = self._still(lambda: self._read_register(register))
        if data is None:
            raise self._no_register(name)
        return int.from_bytes(data, "little") >> shift & ((1 << bits) - 1)

    def _read_register(self, register: Register) -> bytes | None:
        """Return a register's bytes, None where the server does not have it."""
        if self._has_p:
            reply = self._client.ask(b"p%x" % register.number)
            if reply:
                return self._register_bytes(reply, 0, register.size)
            self._has_p = False  # it has no `p`
        reply = self._client.ask(b"g")
        return self._register_bytes(reply, register.offset, register.size)

    def _register_bytes(self, reply: bytes, offset: int, size: int) -> bytes | None:
        if decode_error_reply(reply) is not None:
            return None
        text = reply[2 * offset : 2 * (offset + size)]
        if b"x" in text or len(text) < 2 * size:  # not available, or not sent
            return None
        try:
            return decode_hex(text)
        except GdbError as error:
            raise self._client.fail(str(error)) from None

    def _no_register(self, name: str) -> Unsupported:
        return Unsupported(
            f"{self.spec}: the server has no register `{name}`",
            capability="registers",
            link=self.spec,
        )

    def halt(self) -> None:
        """Stop the core; on closing, the user hears that it may not last."""
        self._stop()
        self._halted = True

    def resume(self) -> None:
        self._halted = False
        if not self._depth:
            self._let_run()

    def halted(self, action: Callable[[], T]) -> T:
        return self._still(action)

    def _still(self, action: Callable[[], T]) -> T:
        """Return what `action` does while the core stands still."""
        return hold_lock(self._hold, action, self._release)

    def _hold(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._stop()

    def _release(self) -> None:
        self._depth -= 1
        if self._depth or self._halted or not self._client.is_open:
            return
        self._let_run()

    def _stop(self) -> None:
        if self._stopped:
            return
        stop = self._client.find_stop()
        if stop is not None:  # by itself: at a breakpoint of somebody's, say
            self._halted = True
            self._notify(
                f"the core has stopped by itself ({stop[:3].decode(errors='replace')}); it stays "
                "so until it is resumed"
            )
        else:
            stop = self._client.interrupt()
        self._stopped = True
        if stop[:1] in (b"W", b"X", b"N"):
            raise self._client.fail("the server says that the target has gone")

    def _let_run(self) -> None:
        if self._stopped:
            self._stopped = False
            self._client.run(self._continue)

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def check_reset(self, *, line: bool) -> None:
        """Refuse `line`, and any reset where the server has no commands of its own."""
        why = ""
        if line:
            why = "how a GDB server resets is its own configuration; reset without --hard"
        elif not self._server.has_monitor:
            why = "this GDB server has no `monitor` commands, so it cannot reset"
        if why:
            raise Unsupported(f"{self.spec}: {why}", capability="reset", link=self.spec)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset with a command of the server's own.

        The core must then stand at its reset vector, or it was no reset.
        """
        self.check_reset(line=line)
        self._still(lambda: self._reset(halt))

    def _reset(self, halt: bool) -> None:
        said = []
        for command in self._server.halting_resets:
            try:
                answer = self._client.monitor(command)
            except LinkError as error:
                if not self._client.is_open:
                    raise
                answer = error.message
            if self._is_at_reset_vector():
                self._halted = halt
                return
            answered = " ".join((answer or "").split())[:200] or "nothing"
            said.append(f"`monitor {command}`: {answered}")
        raise LinkError(
            f"{self.spec}: the server's reset did not bring the core to its reset vector; it "
            f"answered to {'; to '.join(said)}",
            link=self.spec,
        )

    def _is_at_reset_vector(self) -> bool:
        try:
            pc = self.read_register("pc")
        except Unsupported:
            return False
        vectors = self._memory.try_word(VTOR) or 0  # 0 after most resets, where it cannot be read
        vector = self._memory.try_word(vectors + 4)
        return vector is not None and pc & ~1 == vector & ~1

    # ------------------------------------------------------------------ time, and the end

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """End the connection; the core runs on unless `halt` stopped it.

        It was let run already: servers differ in what a detach does, OpenOCD's leaves it halted.
        """
        try:
            if self._client.is_open and self._halted:
                self._notify(NOT_KEPT)
            elif self._client.is_open:
                self._let_run()
        except IdoldbgError:
            pass  # the connection is lost; there is nothing left to let go of
        finally:
            self._client.close()
            if self._lock is not None:
                self._lock.release()
