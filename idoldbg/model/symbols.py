"""Named objects of a program: symbols, statics, functions; Rust's two name manglings.

Sources: ELF for the Arm Architecture (AAELF32) 5.5.3 for the Thumb bit; rustc's legacy mangling
(`rustc_symbol_mangling::legacy`) and RFC 2603 for v0. The demangler serves look-ups: it writes
paths the way debug information does, leaves out hashes, and gives a name that it does not
understand back as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from enum import StrEnum

from idol.records import dataclass
from idoldbg.model.types import Type

__all__ = [
    "Block",
    "Subprogram",
    "Symbol",
    "SymbolKind",
    "SymbolTable",
    "Variable",
    "demangle",
]


class SymbolKind(StrEnum):
    """Kind of a symbol (ELF32_ST_TYPE)."""

    FUNCTION = "function"
    OBJECT = "object"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name for an address. `name` is mangled; the Thumb bit of functions is not in `address`."""

    name: str
    address: int
    size: int
    kind: SymbolKind
    is_global: bool
    section: str  # "" for absolute and undefined symbols

    @property
    def path(self) -> str:
        """The name as Rust writes it, without hash."""
        return demangle(self.name)


@dataclass(frozen=True, slots=True)
class Variable:
    """A static. `address` is None where it was optimised away, or partly, and its type was kept.

    `pieces` are (address, size) where the compiler split it up (a u64 into two words); `address`
    is set when they follow each other and make up the whole. `linkage_name` is the symbol's, "" if
    there is none.
    """

    name: str
    full_name: str
    linkage_name: str
    address: int | None
    size: int
    type: Type
    die_offset: int
    pieces: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Subprogram:
    """A function, with the types of its result (None for `()`) and of its parameters."""

    name: str
    full_name: str
    linkage_name: str
    result: Type | None
    parameters: tuple[tuple[str, Type], ...]
    die_offset: int


@dataclass(frozen=True, slots=True)
class Block:
    """The local variables of a function or of a block in it: (name, type), in source order.

    `full_name` is the function's. Variables of functions that were inlined here are not among them.
    """

    full_name: str
    variables: tuple[tuple[str, Type], ...]
    blocks: tuple[Block, ...]


class SymbolTable:
    """The symbols of one object, found by name, path or address."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._symbols = tuple(symbols)
        self._by_name: dict[str, Symbol] = {}
        for symbol in self._symbols:
            # The first global symbol of a name wins over local ones: it is what others link to.
            old = self._by_name.get(symbol.name)
            if old is None or (symbol.is_global and not old.is_global):
                self._by_name[symbol.name] = symbol
        self._functions: list[Symbol] | None = None
        self._starts: list[int] = []
        self._objects: list[Symbol] | None = None

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self._symbols)

    def __len__(self) -> int:
        return len(self._symbols)

    def find(self, name: str) -> Symbol | None:
        """Find a symbol by the very name that the ELF file has."""
        return self._by_name.get(name)

    def find_function_at(self, address: int) -> Symbol | None:
        """Find the function that covers a code address (its Thumb bit is ignored)."""
        if self._functions is None:
            self._functions = sorted(
                (s for s in self._symbols if s.kind is SymbolKind.FUNCTION and s.section),
                key=lambda s: (s.address, s.size),
            )
            self._starts = [s.address for s in self._functions]
        address &= ~1
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        symbol = self._functions[index]
        return symbol if address < symbol.address + max(symbol.size, 1) else None

    def find_at(self, address: int) -> Symbol | None:
        """Find the static or the function that covers an address."""
        if self._objects is None:
            self._objects = [
                s for s in self._symbols if s.kind is SymbolKind.OBJECT and s.section and s.size
            ]
        covering = (s for s in self._objects if s.address <= address < s.address + s.size)
        # Of statics that the linker put into one place, the smallest is the innermost.
        smallest = min(covering, key=lambda s: (s.size, s.name), default=None)
        return self.find_function_at(address) if smallest is None else smallest


def demangle(name: str) -> str:
    """Write a mangled name as a path: `kern::startup::HUBRIS_TASK_TABLE_SPACE`."""
    if name.startswith("_ZN"):
        return _demangle_legacy(name)
    if name.startswith("_R") and len(name) < _V0_LIMIT:
        return _demangle_v0(name)
    return name


# ---- legacy: _ZN <length><identifier> … 17h<16 hex digits> E ------------------------------------

_HASH = re.compile(r"h[0-9a-f]{16}")
_ESCAPES = {
    "SP": "@",
    "BP": "*",
    "RF": "&",
    "LT": "<",
    "GT": ">",
    "LP": "(",
    "RP": ")",
    "C": ",",
}


def _demangle_legacy(name: str) -> str:
    parts: list[str] = []
    at = 3
    while at < len(name) and name[at] != "E":
        digits = at
        while digits < len(name) and name[digits].isdecimal() and digits - at < 6:
            digits += 1
        if digits == at:
            return name
        end = digits + int(name[at:digits])
        if end > len(name):
            return name
        parts.append(name[digits:end])
        at = end
    if at >= len(name) or not parts:
        return name
    if _HASH.fullmatch(parts[-1]):
        parts.pop()
    return "::".join(_unescape_legacy(p) for p in parts) + _suffix(name[at + 1 :])


def _suffix(text: str) -> str:
    """Keep what LLVM appends when it splits a static (`.0`), drop `.llvm.123`."""
    return "" if text.startswith(".llvm.") else text


def _unescape_legacy(text: str) -> str:
    if text.startswith("_$"):
        text = text[1:]
    out: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("..", at):
            out.append("::")
            at += 2
            continue
        end = text.find("$", at + 1) if text[at] == "$" else -1
        if end > 0:
            word = text[at + 1 : end]
            char = _ESCAPES.get(word)
            if char is None and re.fullmatch(r"u[0-9a-f]{1,6}", word):
                code = int(word[1:], 16)
                char = chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else None
            if char is not None:
                out.append(char)
                at = end + 1
                continue
        out.append(text[at])
        at += 1
    return "".join(out)


# ---- v0: RFC 2603 ------------------------------------------------------------------------------

_V0_LIMIT = 16384  # bytes of a mangled name
_V0_DEPTH = 100
_V0_OUTPUT = 65536  # back references can make output grow; longer is not a name
_BASIC_TYPES = {
    "a": "i8",
    "b": "bool",
    "c": "char",
    "d": "f64",
    "e": "str",
    "f": "f32",
    "h": "u8",
    "i": "isize",
    "j": "usize",
    "l": "i32",
    "m": "u32",
    "n": "i128",
    "o": "u128",
    "p": "_",
    "s": "i16",
    "t": "u16",
    "u": "()",
    "v": "...",
    "x": "i64",
    "y": "u64",
    "z": "!",
}


class _NotMangled(Exception):
    """The text does not follow the grammar."""


def _demangle_v0(name: str) -> str:
    try:
        parser = _V0Parser(name[2:])
        path = parser.path(0)
    except (_NotMangled, IndexError, ValueError, OverflowError):
        return name
    return path


class _V0Parser:
    """Recursive descent over the part after `_R`; positions in back references count from there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._produced = 0

    def _take(self) -> str:
        char = self._text[self._at]
        self._at += 1
        return char

    def _eat(self, char: str) -> bool:
        if self._text[self._at : self._at + 1] == char:
            self._at += 1
            return True
        return False

    def _check(self, depth: int, text: str) -> str:
        self._produced += len(text)
        if depth > _V0_DEPTH or self._produced > 16 * _V0_OUTPUT or len(text) > _V0_OUTPUT:
            raise _NotMangled
        return text

    def _base62(self) -> int:
        if self._eat("_"):
            return 0
        value = 0
        while (char := self._take()) != "_":
            digit = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".index(char)
            value = value * 62 + digit
            if value > 1 << 64:
                raise _NotMangled
        return value + 1

    def _disambiguator(self) -> int:
        return self._base62() + 1 if self._eat("s") else 0

    def _identifier(self) -> tuple[str, int]:
        number = self._disambiguator()
        puny = self._eat("u")
        start = self._at
        if not self._eat("0"):  # no leading zeros: `00` is two empty names
            while self._text[self._at : self._at + 1].isdecimal() and self._at - start < 6:
                self._at += 1
        size = int(self._text[start : self._at])
        self._eat("_")
        text = self._text[self._at : self._at + size]
        if len(text) != size:
            raise _NotMangled
        self._at += size
        if puny:
            plain, _, coded = text.rpartition("_")
            text = f"{plain}-{coded}".lstrip("-").encode("ascii").decode("punycode")
        return text, number

    def _back_reference(self, read: str, depth: int) -> str:
        start = self._at - 1
        target = self._base62()
        if target >= start:
            raise _NotMangled
        saved, self._at = self._at, target
        text: str = getattr(self, read)(depth + 1)
        self._at = saved
        return text

    def path(self, depth: int) -> str:
        """Read a path; `depth` bounds the recursion."""
        self._check(depth, "")
        tag = self._take()
        if tag == "C":
            text = self._identifier()[0]
        elif tag == "N":
            text = self._nested(depth)
        elif tag in "MX":
            self._disambiguator()
            self.path(depth + 1)
            text = self._qualified(depth, has_trait=tag == "X")
        elif tag == "Y":
            text = self._qualified(depth, has_trait=True)
        elif tag == "I":
            base = self.path(depth + 1)
            text = f"{base}<{', '.join(self._until_e('_generic_argument', depth))}>"
        elif tag == "B":
            text = self._back_reference("path", depth)
        else:
            raise _NotMangled
        return self._check(depth, text)

    def _nested(self, depth: int) -> str:
        space = self._take()
        parent = self.path(depth + 1)
        text, number = self._identifier()
        if space.isupper():
            kind = {"C": "closure", "S": "shim"}.get(space, space)
            text = f"{{{kind}{':' + text if text else ''}#{number}}}"
        return f"{parent}::{text}" if text else parent

    def _qualified(self, depth: int, *, has_trait: bool) -> str:
        owner = self.type(depth + 1)
        return f"<{owner} as {self.path(depth + 1)}>" if has_trait else f"<{owner}>"

    def _until_e(self, read: str, depth: int) -> list[str]:
        parts: list[str] = []
        while not self._eat("E"):
            parts.append(getattr(self, read)(depth + 1))
        return parts

    def _generic_argument(self, depth: int) -> str:
        if self._eat("L"):
            self._base62()
            return "'_"
        if self._eat("K"):
            return self._constant(depth)
        return self.type(depth)

    def type(self, depth: int) -> str:
        """Read a type; `depth` bounds the recursion."""
        self._check(depth, "")
        tag = self._take()
        if tag in _BASIC_TYPES:
            return _BASIC_TYPES[tag]
        if tag == "A":
            element = self.type(depth + 1)
            text = f"[{element}; {self._constant(depth)}]"
        elif tag == "S":
            text = f"[{self.type(depth + 1)}]"
        elif tag == "T":
            parts = self._until_e("type", depth)
            text = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        elif tag in "RQ":
            if self._eat("L"):
                self._base62()
            text = ("&mut " if tag == "Q" else "&") + self.type(depth + 1)
        elif tag in "PO":
            text = ("*const " if tag == "P" else "*mut ") + self.type(depth + 1)
        elif tag == "F":
            text = self._function(depth)
        elif tag == "D":
            text = self._dynamic(depth)
        elif tag == "B":
            text = self._back_reference("type", depth)
        else:
            self._at -= 1
            text = self.path(depth + 1)
        return self._check(depth, text)

    def _function(self, depth: int) -> str:
        if self._eat("G"):
            self._base62()
        prefix = "unsafe fn" if self._eat("U") else "fn"
        if self._eat("K"):
            abi = "C" if self._eat("C") else self._identifier()[0].replace("_", "-")
            prefix = prefix[:-2] + f'extern "{abi}" fn'
        arguments = ", ".join(self._until_e("type", depth))
        result = self.type(depth + 1)
        return f"{prefix}({arguments})" + ("" if result == "()" else f" -> {result}")

    def _dynamic(self, depth: int) -> str:
        if self._eat("G"):
            self._base62()
        traits = self._until_e("_dynamic_trait", depth)
        if not self._eat("L"):
            raise _NotMangled
        self._base62()
        return "dyn " + " + ".join(traits)

    def _dynamic_trait(self, depth: int) -> str:
        text = self.path(depth)
        bindings: list[str] = []
        while self._eat("p"):
            name = self._identifier()[0]
            bindings.append(f"{name} = {self.type(depth + 1)}")
        return text + (f"<{', '.join(bindings)}>" if bindings else "")

    def _constant(self, depth: int) -> str:
        if self._eat("B"):
            return self._back_reference("_constant", depth)
        tag = self._take()
        if tag == "p":
            return "_"
        sign = "-" if self._eat("n") else ""
        end = self._text.index("_", self._at)
        digits, self._at = self._text[self._at : end], end + 1
        value = int(digits or "0", 16)
        if tag == "b":
            return "true" if value else "false"
        if tag == "c":
            return repr(chr(value))
        if tag not in _BASIC_TYPES:
            raise _NotMangled
        return f"{sign}{value}"
