"""What can be chosen about generated stubs."""

from __future__ import annotations

from dataclasses import dataclass

from idol.errors import OptionsError, TypeSyntaxError
from idol.rust_type import Path, parse_type


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
