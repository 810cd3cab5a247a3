"""Description of a type: its objects, its layout in memory, its size on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idol.errors import TypeSyntaxError
from idol.near import near_misses
from idol.records import dataclass, replace
from idol.rust_type import Array as WrittenArray
from idol.rust_type import Path, RustType, parse_type
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.build.kept import TYPES, FoundTypes
from idoldbg.build.program import Program
from idoldbg.call import codec
from idoldbg.errors import DebugInfoError, EncodeError, NotFound
from idoldbg.model.types import Array, Enum, Opaque, Pointer, Struct, Type, Union, shown_field
from idoldbg.resolver import Candidate, TypeLookup, names_in
from idoldbg.resolver.candidates import make_candidates
from idoldbg.resolver.constants import fold_constants
from idoldbg.resolver.lookup import Located, find_located, find_near_types
from idoldbg.resolver.tolerant import TolerantInfo
from idoldbg.views.layout import Part, alignment_of, find_padding, lay_out

__all__ = ["TypeLayout", "TypeReport", "WireSize", "query_names", "read_types"]

ENCODINGS = ("Zerocopy", "Hubpack", "Ssmarshal")


@dataclass(frozen=True, slots=True)
class WireSize:
    """The longest encoding of a type in bytes; `reason` says why it has none."""

    encoding: str
    size: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class TypeLayout:
    """One type that the name fits, with what there is to know about it.

    `candidate` says in which objects it is, and how it differs from the first one that fits.
    `padding` counts the bytes that hold nothing, whatever the value.
    """

    candidate: Candidate
    alignment: int
    padding: int
    layout: Part
    wire: tuple[WireSize, ...]


@dataclass(frozen=True, slots=True)
class TypeReport:
    """All types that a name fits. `declared` are only declared, in the objects that are named.

    `unreadable` are (object, reason) where more of them may be; `unused_overrides` the type
    overrides that did not matter.
    """

    query: str
    types: tuple[TypeLayout, ...]
    declared: tuple[Candidate, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    unused_overrides: tuple[str, ...] = ()


def read_types(
    program: Program,
    query: str,
    *,
    task: str | None = None,
    depth: int = 1,
    progress: Callable[[int, int, str], None] = lambda done, total, item: None,
) -> TypeReport:
    """Find the types with a name: full path, end of a path, generics with short arguments.

    `task` (or `kernel`) limits the search to one object; a Rust expression for a type is enough, as
    in interfaces: `[SlotId; 2]`, `Option<SlotId>`. `depth` says how many levels to open. `progress`
    is told how many objects were searched. Raises `NotFound` with near misses where there is none.
    """
    used: set[str] = set()
    unreadable: list[tuple[str, str]] = []

    def search() -> FoundTypes:
        return _search(program, query, task, progress, used, unreadable)

    if program.type_overrides:
        found, declared = search()
    else:
        key = f"{query}\0{task or ''}"
        found, declared = program.recall(TYPES, key, search)
        if unreadable:  # what is missing is to be said again
            program.forget(TYPES, key)
    layouts = (_describe(candidate, alignment, depth) for candidate, alignment in found)
    unused = tuple(name for name in program.type_overrides if name not in used)
    return TypeReport(query, tuple(layouts), declared, tuple(unreadable), unused)


def _search(
    program: Program,
    query: str,
    task: str | None,
    progress: Callable[[int, int, str], None],
    used: set[str],
    unreadable: list[tuple[str, str]],
) -> FoundTypes:
    """Look into the objects; `used` gets the overrides that mattered."""
    objects, damaged = _objects(program, task)
    written = _parse(query)
    located: list[Located] = []
    declared: list[Located] = []
    for index, info in enumerate(objects):
        progress(index, len(objects), info.name)
        found, only_declared = _find(info, query, written, program.type_overrides, used)
        located += found
        declared += only_declared
    by_name = {info.name: info for info in objects}
    aligned = tuple(
        (c, by_name[c.objects[0]].find_alignment(c.type)) for c in make_candidates(located)
    )
    unreadable += damaged
    unreadable += [(o.name, o.damage) for o in objects if isinstance(o, TolerantInfo) and o.damage]
    if not located and not declared:
        where = f"object `{task}`" if task else "any object of this build"
        name = written.name if isinstance(written, Path) else query.rpartition("::")[2]
        hint = "; ".join(f"`{name}` cannot be read: {why}" for name, why in unreadable)
        near = find_near_types(objects, name)
        raise NotFound("type", query, near=near, where=where, hint=hint)
    return aligned, make_candidates(declared)


def query_names(query: str) -> frozenset[str]:
    """Return the names that a query for types is about: its own, and those inside it."""
    written = _parse(query)
    return frozenset() if written is None else frozenset(names_in(written))


def _objects(program: Program, task: str | None) -> tuple[list[DebugInfo], list[tuple[str, str]]]:
    """Return where to search, and which objects cannot be, each with the reason."""
    names = program.archive.object_names
    if task is not None:
        if task not in names:
            raise NotFound("object", task, near=near_misses(task, names), where="this build")
        return [program.object(task)], []
    found: list[DebugInfo] = []
    unreadable: list[tuple[str, str]] = []
    for name in names:
        try:
            info = TolerantInfo(program.object(name))
            if info.has_debug_info or info.damage:
                found.append(info)
        except DebugInfoError as error:
            # One damaged task must not prevent a look at the others.
            unreadable.append((name, str(error)))
    return found, unreadable


def _parse(query: str) -> RustType | None:
    try:
        return fold_constants(parse_type(query), dict)
    except TypeSyntaxError:
        return None


def _find(
    info: DebugInfo,
    query: str,
    written: RustType | None,
    overrides: Mapping[str, str],
    used: set[str],
) -> tuple[list[Located], list[Located]]:
    if written is None or isinstance(written, Path):
        if query in overrides:
            used.add(query)
            query = overrides[query]
            written = _parse(query)
        found, declared = ([], []) if written is None else find_located(info, written)
        if not found and isinstance(written, Path) and not written.arguments:
            # `Option`: all of them, whatever their arguments.
            for name in info.find_type_names(f"{written.name}<"):
                found += [(info.name, t) for t in info.find_types(name) if _ends(t, written)]
        return found or _find_as_spelt(info, query), declared
    # Made of others: `[SlotId; 2]` needs no entry of its own.
    if isinstance(written, WrittenArray):
        built = TypeLookup(info, tuple, overrides, used=used).find(written)
        return ([] if built.type is None else [(info.name, built.type)]), []
    found, declared = find_located(info, written)
    return found or _find_as_spelt(info, query), declared


def _find_as_spelt(info: DebugInfo, query: str) -> list[Located]:
    """Find vtables, closures, `&dyn Trait` and whatever else has a name that Rust does not."""
    return [(info.name, t) for t in info.find_types(query) if not isinstance(t, Opaque)]


def _ends(type_: Type, written: Path) -> bool:
    """Return whether a generic type's path ends as written, its arguments aside."""
    if isinstance(type_, Opaque):
        return False
    path = type_.name.partition("<")[0]
    wanted = str(replace(written, is_global=False))
    return path == wanted or path.endswith(f"::{wanted}")


def _describe(candidate: Candidate, declared: int | None, depth: int) -> TypeLayout:
    type_ = candidate.type
    return TypeLayout(
        candidate,
        declared or alignment_of(type_),
        find_padding(type_),
        lay_out(type_, depth),
        tuple(_wire_size(encoding, type_) for encoding in ENCODINGS),
    )


def _wire_size(encoding: str, type_: Type) -> WireSize:
    reason = _not_zerocopy(type_, set()) if encoding == "Zerocopy" else ""
    if reason:
        return WireSize(encoding, None, reason)
    try:
        return WireSize(encoding, codec.for_encoding(encoding).max_size(type_), "")
    except EncodeError as error:
        return WireSize(encoding, None, error.message)


def _not_zerocopy(type_: Type, seen: set[int]) -> str:
    """Return why bytes of this type cannot simply be sent, "" where they can."""
    if id(type_) in seen:
        return ""
    seen.add(id(type_))
    padding = find_padding(type_)
    if padding:
        return f"{padding} bytes of padding" if padding > 1 else "1 byte of padding"
    match type_:
        case Enum():
            return "an enum with data"
        case Pointer() | Union() | Opaque():
            return f"a {type(type_).__name__.lower()}"
        case Array(element=element):
            return _not_zerocopy(element, seen)
        case Struct(members=members):
            for member in members:
                inner = _not_zerocopy(member.type, seen)
                if inner:
                    return f"`{shown_field(member.name)}` is {inner}"
    return ""
