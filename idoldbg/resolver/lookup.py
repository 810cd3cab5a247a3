"""From the text of a type to the type: by name, and piece by piece for what has no name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from idol.rust_type import Array as WrittenArray
from idol.rust_type import Never, Path, RustType, Tuple, parse_type
from idoldbg.errors import NotFound
from idoldbg.near import near_misses
from idoldbg.resolver.names import Match, evaluate, match_names, parse_name
from idoldbg.types import Array, Encoding, Member, Opaque, Scalar, Struct, Type

if TYPE_CHECKING:
    from idoldbg.debuginfo import ObjectInfo

__all__ = ["BASE_TYPES", "Found", "How", "TypeLookup", "parse_override"]

_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8, "128": 16, "size": 4}
BASE_TYPES: Mapping[str, Scalar] = {
    **{f"u{n}": Scalar(f"u{n}", s, Encoding.UNSIGNED) for n, s in _SIZES.items()},
    **{f"i{n}": Scalar(f"i{n}", s, Encoding.SIGNED) for n, s in _SIZES.items()},
    "f32": Scalar("f32", 4, Encoding.FLOAT),
    "f64": Scalar("f64", 8, Encoding.FLOAT),
    "bool": Scalar("bool", 1, Encoding.BOOL),
    "char": Scalar("char", 4, Encoding.CHAR),
}
UNIT = Scalar("()", 0, Encoding.UNSIGNED)
NEVER = Scalar("!", 0, Encoding.UNSIGNED)


class How(StrEnum):
    """How a type was settled on."""

    BASE = "a type of the language"
    KEPT = "kept for debuggers by the stub"
    MESSAGE = "the message's own member"
    REPLY = "the reply's own member"
    SIGNATURE = "from the signature of the server's method"
    NAME = "the only type of that name"
    PATH = "the only type with that path"
    BUILT = "built from the types of its parts"
    USED = "the one that the server's replies are made of"
    NEAREST = "the nearest of several by namespace"
    ELSEWHERE = "found in another task"
    OVERRIDE = "as given by the user"
    WIRE = "what travels instead: the type itself is missing"
    AMBIGUOUS = "several types have that name"
    MISSING = "no type of that name"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up found; `candidates` are full names where there was no telling."""

    type: Type | None
    how: How
    candidates: tuple[str, ...] = ()


class TypeLookup:
    """Finds types in the server's object, then in the others.

    `overrides` maps names as interfaces write them to full paths. `others` yields the objects to
    look through last.
    """

    def __init__(
        self,
        server: ObjectInfo,
        others: Callable[[], Iterable[ObjectInfo]],
        overrides: Mapping[str, str],
    ) -> None:
        self._server = server
        self._others = others
        self._overrides = overrides

    def find(
        self,
        written: RustType,
        *,
        namespace: str = "",
        used: Sequence[Type] = (),
        fits: Callable[[Type], bool] = lambda type_: True,
        may_build_tuples: bool = False,
    ) -> Found:
        """Find a type by what the interface writes.

        Of several types, those count that `fits`, then those among `used` (types that the image
        shows at this place), then what is nearest to `namespace`.
        """
        override = self._override(written)
        if override is not None:
            return override
        built = self._build(written, may_build_tuples=False)
        if built is not None:
            return built
        candidates = [t for t in self._candidates(self._server, written) if fits(t)]
        found = self._choose(written, candidates, namespace, used)
        if found is not None:
            return found
        if may_build_tuples:
            built = self._build(written, may_build_tuples=True)
            if built is not None:
                return built
        return self._elsewhere(written, namespace, fits)

    def _override(self, written: RustType) -> Found | None:
        names = [str(written)]
        if isinstance(written, Path):
            names.append(written.name)
        path = next((self._overrides[n] for n in names if n in self._overrides), None)
        if path is None:
            return None
        for info in (self._server, *self._others()):
            types = info.find_types(path)
            if types:
                return Found(types[0], How.OVERRIDE)
        near: list[str] = []
        for type_ in self._server.find_types(path.rsplit("::", 1)[-1]):
            near.append(type_.name)
        raise NotFound("type", path, near=near_misses(path, near), where="any task of this build")

    def _build(self, written: RustType, *, may_build_tuples: bool) -> Found | None:
        """Make types that need no entry of their own in debug information."""
        if isinstance(written, Never):
            return Found(NEVER, How.BASE)
        if isinstance(written, Tuple) and not written.items:
            return Found(UNIT, How.BASE)
        if isinstance(written, Path) and len(written.segments) == 1 and not written.arguments:
            base = BASE_TYPES.get(written.name)
            return None if base is None else Found(base, How.BASE)
        if isinstance(written, WrittenArray):
            return self._array(written, may_build_tuples)
        if isinstance(written, Tuple) and may_build_tuples:
            return self._tuple(written)
        return None

    def _array(self, written: WrittenArray, may_build_tuples: bool) -> Found | None:
        count = evaluate(written.length)
        if count is None:
            return None
        element = self.find(written.element, may_build_tuples=may_build_tuples)
        if element.type is None:
            return element
        name = f"[{element.type.name}; {count}]"
        return Found(Array(name, element.type, count), How.BUILT)

    def _tuple(self, written: Tuple) -> Found | None:
        """Make a tuple that the image does not use.

        Only for encodings that write fields one after another: its layout in memory is rustc's
        secret, the offsets here merely keep the fields in order.
        """
        members: list[Member] = []
        offset = 0
        for index, item in enumerate(written.items):
            found = self.find(item, may_build_tuples=True)
            if found.type is None:
                return found
            members.append(Member(f"__{index}", offset, found.type))
            offset += found.type.size
        names = ", ".join(m.type.name for m in members)
        name = f"({names}{',' if len(members) == 1 else ''})"
        return Found(Struct(name, offset, tuple(members)), How.BUILT)

    # ---- candidates -----------------------------------------------------------------------------

    def _candidates(self, info: ObjectInfo, written: RustType) -> list[Type]:
        """Find the types of one object whose full names the written one may stand for."""
        if isinstance(written, Path):
            short = [written.name]
            if written.arguments:
                short = list(info.find_type_names(f"{written.name}<"))
        elif isinstance(written, Tuple):
            short = list(info.find_type_names("("))
        else:
            return []
        found: list[Type] = []
        best = Match.LAST_NAME
        for name in short:
            # Before any unit is walked: the arguments can be compared already.
            if len(short) > 1 and match_names(_without_path(written), parse_name(name)) < best:
                continue
            for type_ in info.find_types(name):
                match = match_names(written, parse_name(type_.name))
                if isinstance(type_, Opaque) or match < best:
                    continue
                if match > best:
                    best, found = match, []
                found.append(type_)
        return found

    def _choose(
        self, written: RustType, candidates: list[Type], namespace: str, used: Sequence[Type]
    ) -> Found | None:
        """Choose among types of one object; None when there are none."""
        if not candidates:
            return None
        if _is_one(candidates):
            qualified = isinstance(written, Path) and len(written.segments) > 1
            return Found(candidates[0], How.PATH if qualified else How.NAME)
        seen = [t for t in candidates if any(t is u or t == u for u in used)]
        if seen and _is_one(seen):
            return Found(seen[0], How.USED)
        nearest = _nearest(candidates, namespace)
        if nearest is not None:
            return Found(nearest, How.NEAREST, _names(candidates))
        return Found(None, How.AMBIGUOUS, _names(candidates))

    def _elsewhere(self, written: RustType, namespace: str, fits: Callable[[Type], bool]) -> Found:
        candidates: list[Type] = []
        for info in self._others():
            for type_ in self._candidates(info, written):
                if fits(type_) and type_ not in candidates:
                    candidates.append(type_)
        if not candidates:
            return Found(None, How.MISSING)
        if len(candidates) == 1:
            return Found(candidates[0], How.ELSEWHERE)
        nearest = _nearest(candidates, namespace)
        if nearest is not None:
            return Found(nearest, How.ELSEWHERE, _names(candidates))
        return Found(None, How.AMBIGUOUS, _names(candidates))


def _without_path(written: RustType) -> RustType:
    return Path(written.segments[-1:]) if isinstance(written, Path) else written


def _is_one(types: Sequence[Type]) -> bool:
    """Tell whether types are the same but for where they are defined, if anywhere.

    Types exported under two paths, or compiled twice, differ in nothing that matters.
    """
    return all(t is types[0] or _shape(t) == _shape(types[0]) for t in types)


def _shape(type_: Type) -> tuple[object, ...]:
    """What a type is without its own path: kind, size, and the names and types of its parts."""
    parts: list[object] = [type(type_), type_.size]
    for attribute in ("members", "variants", "enumerators", "tag", "element", "count", "encoding"):
        value = getattr(type_, attribute, None)
        if attribute == "variants" and value is not None:
            value = [
                (
                    v.name,
                    v.discriminant,
                    v.offset,
                    [(m.name, m.offset, id(m.type)) for m in v.type.members],
                )
                for v in value
            ]
        elif attribute == "members" and value is not None:
            value = [(m.name, m.offset, id(m.type)) for m in value]
        elif attribute == "tag" and value is not None:
            value = (value.offset, value.type.size)
        parts.append(value)
    return tuple(parts)


def _names(types: Sequence[Type]) -> tuple[str, ...]:
    return tuple(sorted({t.name for t in types}))


def _nearest(types: Sequence[Type], namespace: str) -> Type | None:
    """Return the type whose namespace is nearest, None if no one is nearer than all others."""
    if not namespace:
        return None
    scored = sorted(((_nearness(t.name, namespace), i) for i, t in enumerate(types)), reverse=True)
    best = [i for score, i in scored if score == scored[0][0]]
    chosen = [types[i] for i in best]
    return chosen[0] if scored[0][0] > (0, 0) and _is_one(chosen) else None


def _nearness(name: str, namespace: str) -> tuple[int, int]:
    """How near a full name is: path components in common, then words of the crate's name.

    A server `drv_stm32h7_spi_server` is nearer to `drv_spi_api` than to `drv_i2c_api`.
    """
    parts, home = name.split("::"), namespace.split("::")
    common = 0
    while common < min(len(parts), len(home)) and parts[common] == home[common]:
        common += 1
    generic = {"drv", "task", "api", "server", "types", "common", "lib"}
    words = set(parts[0].split("_")) - generic
    return common, len(words & (set(home[0].split("_")) - generic))


def parse_override(text: str) -> tuple[str, str]:
    """Split `NAME=PATH`; raise `ValueError` when it is not one."""
    name, equals, path = text.partition("=")
    if not equals or not name.strip() or not path.strip():
        raise ValueError(f"`{text}` is not NAME=PATH, such as SpiError=drv_spi_api::SpiError")
    return str(parse_type(name.strip())), path.strip()
