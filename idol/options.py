"""Options of generated stubs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from idol.errors import OptionsError, TypeSyntaxError
from idol.records import dataclass, field
from idol.rust_type import Path, parse_type


class ServerStyle(StrEnum):
    """Time at which a server answers; the value is the spelling on the command line."""

    #: Before it receives the next message: methods return the reply.
    IN_ORDER = "in-order"
    #: Whenever it likes: methods get a token, which the reply is given to.
    PIPELINED = "pipelined"


class FailServer(StrEnum):
    """Generation of a server that fails every call; the value is the command line's spelling."""

    #: If all operations have the same error type.
    AUTO = "auto"
    #: Yes; it is an error if they have not.
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class StubOptions:
    """Choices for one client or server stub; the defaults suit debugging.

    :raises OptionsError: on construction, if a derive is not a path.
    """

    #: Paths of traits to derive for the operation enum, besides the usual ones.
    extra_derives: tuple[str, ...] = ()
    #: Give each panic a function of its own, named after the operation and the cause. Without, a
    #: panic is a plain `panic!()` on the spot, which is smaller and tells only a line number.
    named_panics: bool = True
    #: Lay the text out as rustfmt would; without, lines are not indented.
    is_formatted: bool = True
    #: Count calls and their outcomes in a static, with the crate `counters`.
    counters: bool = False

    # Of servers alone:

    #: Count faults of clients once for the whole server, not for each operation.
    combine_client_errors: bool = False
    style: ServerStyle = ServerStyle.IN_ORDER
    fail_server: FailServer = FailServer.AUTO
    #: Operation → indices of the only tasks that may call it, see `idol.callers`. An operation
    #: that is not named is open to all, one with an empty list to nobody.
    allowed_callers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Methods of operations that cannot fail return the value itself, no `Result`. They still do
    #: where there are leases, since the memory may be gone when the server looks.
    bare_replies: bool = False

    def __post_init__(self) -> None:
        for text in self.extra_derives:
            try:
                is_path = isinstance(parse_type(text), Path)
            except TypeSyntaxError:
                is_path = False
            if not is_path:
                raise OptionsError(
                    f"{text!r} is not the path of a trait: name one as in `serde::Serialize`"
                )
