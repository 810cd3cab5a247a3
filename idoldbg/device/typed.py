"""Run time of stub packages: check that they match the image, use their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from idol.records import dataclass, field
from idoldbg.build.program import Program
from idoldbg.device.device import Device, open_device_session
from idoldbg.device.face import combined_hash, interface_hashes
from idoldbg.errors import MismatchError

__all__ = ["StaleStubs", "Stubs"]

D = TypeVar("D", bound=Device)


class StaleStubs(MismatchError):
    """The stubs were made of other interfaces than those of the build.

    `expected` is the stubs' hash, `actual` the build's, `interfaces` those that differ.
    """

    def __init__(
        self, message: str, *, expected: str, actual: str, interfaces: tuple[str, ...]
    ) -> None:
        super().__init__(message, expected=expected, actual=actual)
        self.interfaces = interfaces


@dataclass(frozen=True)
class Stubs:
    """One package: the image that it was made of, and its classes by the types' full names.

    `interfaces` are hashes (`idoldbg.device.face`) by `Interface@task`.
    """

    package: str
    image_id: str
    interfaces: Mapping[str, str]
    classes: Mapping[str, Any] = field(repr=False)
    errors: Mapping[str, Any] = field(repr=False)

    @property
    def hash(self) -> str:
        """The hash of all interfaces."""
        return combined_hash(dict(self.interfaces))

    def check(self, program: Program) -> None:
        """Raise `StaleStubs` unless the build has every interface of the stubs, unchanged.

        Another image id alone is fine, and so are further interfaces: a rebuilt firmware with the
        interfaces that it had goes with the stubs that there are.
        """
        image_id = _image_id(program)
        if image_id == self.image_id and image_id:
            return
        found = interface_hashes(program)
        changed = [k for k, digest in self.interfaces.items() if found.get(k) != digest]
        if not changed:
            return
        parts = [f"{key} ({'changed' if key in found else 'gone'})" for key in changed]
        actual = combined_hash(found)
        raise StaleStubs(
            f"the stubs `{self.package}` are not of this build: {', '.join(parts)}. They were "
            f"made of image {self.image_id or '(no id)'} with interfaces {self.hash}, the build is "
            f"image {image_id or '(no id)'} with interfaces {actual}; make them anew: "
            f"idoldbg stubs {program.archive.path} -o DIR",
            expected=self.hash,
            actual=actual,
            interfaces=tuple(changed),
        )

    def attach(self, kind: type[D], *arguments: Any, **options: Any) -> D:
        """Open a target as `idoldbg.attach` does, for a `Device` of the stubs."""
        session = open_device_session(*arguments, **options)
        try:
            self.check(session.program)
        except BaseException:
            session.close()
            raise
        return kind(session, known_classes=self.classes, known_errors=self.errors)


def _image_id(program: Program) -> str:
    image_id = program.archive.image_id
    return "" if image_id is None else image_id.hex()
