"""From the text of a type to the type: by name, and piece by piece for what has no name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import get_args

from idol.errors import TypeSyntaxError
from idol.near import near_misses
from idol.records import dataclass, replace
from idol.rust_type import Array as WrittenArray
from idol.rust_type import Never, Path, Reference, RustType, Tuple, parse_type
from idol.rust_type import Pointer as RawPointer
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.errors import NotFound
from idoldbg.model.types import Array, Member, Opaque, Scalar, ScalarKind, Struct, Type
from idoldbg.resolver.candidates import (
    find_nearest,
    has_same_layout,
    make_candidates,
)
from idoldbg.resolver.constants import fold_constants
from idoldbg.resolver.names import Match, match_names, parse_name
from idoldbg.resolver.operation import Candidate, How

__all__ = [
    "BASE_TYPES",
    "Found",
    "Located",
    "TypeLookup",
    "find_located",
    "find_near_types",
    "is_base",
    "parse_override",
    "read_override",
]

_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8, "128": 16, "size": 4}
BASE_TYPES: Mapping[str, Scalar] = {
    **{f"u{n}": Scalar(f"u{n}", s, ScalarKind.UNSIGNED) for n, s in _SIZES.items()},
    **{f"i{n}": Scalar(f"i{n}", s, ScalarKind.SIGNED) for n, s in _SIZES.items()},
    "f32": Scalar("f32", 4, ScalarKind.FLOAT),
    "f64": Scalar("f64", 8, ScalarKind.FLOAT),
    "bool": Scalar("bool", 1, ScalarKind.BOOL),
    "char": Scalar("char", 4, ScalarKind.CHAR),
}
MAX_COUNT = 1 << 24  # elements of an array: more than any memory here
_NEAR_LIMIT = 10_000  # names to compare
_FEW = 32  # names to look up
_NEAR = 3  # characters that a name may have more or fewer than one that it resembles
UNIT = Scalar("()", 0, ScalarKind.UNSIGNED)
NEVER = Scalar("!", 0, ScalarKind.UNSIGNED)


def is_base(type_: Type) -> bool:
    """Return whether a type is of the language itself; every object has those."""
    return isinstance(type_, Scalar)


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a look-up and its object; `candidates` are the types to choose from."""

    type: Type | None
    how: How
    candidates: tuple[Candidate, ...] = ()
    object: str | None = None


#: A type with the object that has it.
Located = tuple[str, Type]


class TypeLookup:
    """Finds types in the server's object, then in the others.

    `overrides` maps names as interfaces write them to full paths; those that are asked for are put
    into `used`. `others` yields the objects to look through last. `constants` gives the values of
    constants that array lengths name, as far as they are known.
    """

    def __init__(
        self,
        server: DebugInfo,
        others: Callable[[], Iterable[DebugInfo]],
        overrides: Mapping[str, str],
        constants: Callable[[], Mapping[str, int]] = dict,
        used: set[str] | None = None,
    ) -> None:
        self._server = server
        self._others = others
        self._overrides = overrides
        self._constants = constants
        self._used = set() if used is None else used

    def find(
        self,
        written: RustType,
        *,
        namespace: str = "",
        hints: Callable[[], Iterable[tuple[Type, How]]] = tuple,
        fits: Callable[[Type], bool] = lambda type_: True,
        may_build_tuples: bool = False,
    ) -> Found:
        """Find a type by what the interface writes.

        Of several types, those count that `fits`; then one that is among `hints` (types that the
        image shows at such a place, asked for only then); then what is nearest to `namespace`.
        """
        override = self.find_override(written)
        if override is not None:
            return override
        written = fold_constants(self._substitute(written), self._constants)
        built = self._build(written, may_build_tuples=False)
        if built is not None:
            return built
        located, declared = find_located(self._server, written)
        found = self._choose(written, [c for c in located if fits(c[1])], namespace, hints)
        if found is not None:
            return found
        if may_build_tuples:
            built = self._build(written, may_build_tuples=True)
            if built is not None:
                return built
        return self._elsewhere(written, namespace, hints, fits, declared)

    # ---- overrides ------------------------------------------------------------------------------

    def find_override(self, written: RustType) -> Found | None:
        """Find what the user gave for this name; raise `NotFound` where there is no such type."""
        path = self._overriding(written)
        if path is None:
            return None
        meant = parse_type(path)
        meant = fold_constants(meant, dict)
        built = self._build(meant, may_build_tuples=False)
        if built is not None:
            return Found(built.type, How.OVERRIDE, built.candidates, built.object)
        located: list[Located] = []
        for info in (self._server, *self._others()):
            located += [(info.name, t) for t in info.find_types(path) if not isinstance(t, Opaque)]
            if located:
                break
        if not located:
            objects = [self._server, *self._others()]
            near = find_near_types(objects, path.rpartition("::")[2])
            raise NotFound("type", path, near=near, where="the debug information of this build")
        if not _is_one(located):
            return Found(None, How.AMBIGUOUS, make_candidates(located))
        return Found(located[0][1], How.OVERRIDE, (), located[0][0])

    def _overriding(self, written: RustType) -> str | None:
        names = [str(written)]
        if isinstance(written, Path):
            names.append(written.name)
        name = next((n for n in names if n in self._overrides), None)
        if name is None:
            return None
        self._used.add(name)
        return self._overrides[name]

    def _substitute(self, written: RustType) -> RustType:
        """Put what the user gave in the place of names inside generic arguments and tuples."""
        if not self._overrides:
            return written

        def inner(item: RustType) -> RustType:
            path = self._overriding(item)
            return self._substitute(item) if path is None else parse_type(path)

        if isinstance(written, Tuple):
            return Tuple(tuple(inner(item) for item in written.items))
        if isinstance(written, Path) and written.arguments:
            kinds = get_args(RustType)
            arguments = tuple(inner(a) if isinstance(a, kinds) else a for a in written.arguments)
            last = replace(written.segments[-1], arguments=arguments)
            return replace(written, segments=(*written.segments[:-1], last))
        return written

    # ---- types without an entry -----------------------------------------------------------------

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
        count = written.length
        if not isinstance(count, int) or not 0 <= count <= MAX_COUNT:
            return None
        element = self.find(written.element, may_build_tuples=may_build_tuples)
        if element.type is None:
            return element
        name = f"[{element.type.name}; {count}]"
        return Found(Array(name, element.type, count), How.BUILT, (), element.object)

    def _tuple(self, written: Tuple) -> Found | None:
        """Make a tuple that the image does not use.

        Only for encodings that write fields one after another: its layout in memory is rustc's
        secret, the offsets here merely keep the fields in order.
        """
        members: list[Member] = []
        offset = 0
        where = None
        for index, item in enumerate(written.items):
            found = self.find(item, may_build_tuples=True)
            if found.type is None:
                return found
            where = where or found.object
            members.append(Member(f"__{index}", offset, found.type))
            offset += found.type.size
        names = ", ".join(m.type.name for m in members)
        name = f"({names}{',' if len(members) == 1 else ''})"
        return Found(Struct(name, offset, tuple(members)), How.BUILT, (), where)

    # ---- candidates -----------------------------------------------------------------------------

    def _choose(
        self,
        written: RustType,
        located: list[Located],
        namespace: str,
        hints: Callable[[], Iterable[tuple[Type, How]]],
    ) -> Found | None:
        """Choose among types of one object; None when there are none."""
        if not located:
            return None
        where, first = located[0]
        if _is_one(located):
            qualified = isinstance(written, Path) and len(written.segments) > 1
            return Found(first, How.PATH if qualified else How.NAME, (), where)
        return _settle(located, namespace, hints, How.NEAREST)

    def _elsewhere(
        self,
        written: RustType,
        namespace: str,
        hints: Callable[[], Iterable[tuple[Type, How]]],
        fits: Callable[[Type], bool],
        declared: list[Located],
    ) -> Found:
        located: list[Located] = []
        for info in self._others():
            found, only_declared = find_located(info, written)
            located += [c for c in found if fits(c[1])]
            declared += only_declared
        if located:
            if _is_one(located):
                return Found(located[0][1], How.ELSEWHERE, (), located[0][0])
            return _settle(located, namespace, hints, How.ELSEWHERE)
        if declared:
            return Found(None, How.INCOMPLETE, make_candidates(declared))
        return Found(None, How.MISSING)


def find_located(info: DebugInfo, written: RustType) -> tuple[list[Located], list[Located]]:
    """Find the types of one object that the written one may be, and those only declared."""
    found: list[Located] = []
    declared: list[Located] = []
    best = Match.LAST_NAME
    names = _short_names(info, written)
    for name in names:
        # Before any unit is walked: the arguments can be compared already.
        if len(names) > 1 and match_names(_without_path(written), parse_name(name)) < best:
            continue
        for type_ in info.find_types(name):
            match = match_names(written, parse_name(type_.name))
            if isinstance(type_, Opaque) and match is not Match.NONE:
                declared.append((info.name, type_))
            elif match >= best:
                if match > best:
                    best, found = match, []
                found.append((info.name, type_))
    return found, declared


def find_near_types(objects: Sequence[DebugInfo], name: str) -> tuple[str, ...]:
    """Return the full names of up to three types whose last component resembles a name."""
    names: dict[str, None] = {}
    for info in objects:
        for prefix in dict.fromkeys((name[:1], name[:1].upper())):
            # Of a generic one (`Option<u8>`), the name before its arguments.
            heads = (n.partition("<")[0] for n in info.find_type_names(prefix))
            names.update(
                (head, None)
                for head in heads
                if abs(len(head) - len(name)) <= _NEAR and head.isidentifier()
            )
    # Strings that begin so may belong to anything: only types are worth naming.
    found = near_misses(name, islice(names, _NEAR_LIMIT))
    full: dict[str, None] = {}
    for head in found:
        whole = [t.name for info in objects for t in info.find_types(head)]
        full.update(dict.fromkeys(whole or ([head] if _is_generic(objects, head) else [])))
    return tuple(full)[:3]


def _is_generic(objects: Sequence[DebugInfo], head: str) -> bool:
    """Return whether types of this name have arguments; there may be functions instead."""
    names = ((info, name) for info in objects for name in info.find_type_names(f"{head}<"))
    return any(info.find_types(name) for info, name in islice(names, _FEW))


def _short_names(info: DebugInfo, written: RustType) -> tuple[str, ...]:
    """Return what the entry of a type may be called, without its path."""
    if isinstance(written, Path):
        has_arguments = bool(written.arguments)
        return info.find_type_names(f"{written.name}<") if has_arguments else (written.name,)
    if isinstance(written, Tuple):
        return info.find_type_names("(")
    if isinstance(written, Reference):
        return info.find_type_names("&mut " if written.is_mutable else "&")
    if isinstance(written, RawPointer):
        return info.find_type_names("*mut " if written.is_mutable else "*const ")
    return ()


def _settle(
    located: list[Located],
    namespace: str,
    hints: Callable[[], Iterable[tuple[Type, How]]],
    how: How,
) -> Found:
    """Choose among types of several layouts."""
    candidates = make_candidates(located)
    for shown, shown_how in hints():
        for where, type_ in located:
            if type_ is shown or type_ == shown:
                return Found(type_, shown_how, candidates, where)
    nearest = find_nearest([t for _, t in located], namespace)
    if nearest is None:
        return Found(None, How.AMBIGUOUS, candidates)
    return Found(nearest, how, candidates, next(w for w, t in located if t is nearest))


def _without_path(written: RustType) -> RustType:
    return Path(written.segments[-1:]) if isinstance(written, Path) else written


def _is_one(located: Sequence[Located]) -> bool:
    return all(has_same_layout(located[0][1], type_) for _, type_ in located)


def parse_override(text: str) -> tuple[str, str]:
    """Split `NAME=PATH`; raise `ValueError` when it is not one, or either is not a type."""
    name, equals, path = (part.strip() for part in text.partition("="))
    if not equals or not name or not path:
        raise ValueError(f"`{text}` is not NAME=PATH, such as SpiError=drv_spi_api::SpiError")
    return read_override(name, path)


def read_override(name: str, path: str) -> tuple[str, str]:
    """Return both in their one spelling; raise `ValueError` when either is not a type."""
    try:
        return str(parse_type(name)), str(parse_type(path))
    except TypeSyntaxError as error:
        raise ValueError(f"`{name}={path}`: {error}") from None
