"""Texts of Rust types to their structure.

Ref: The Rust Reference, "Types", "Paths" and "Trait and lifetime bounds".
"""

from __future__ import annotations

from collections.abc import Callable

from idol.errors import TypeSyntaxError
from idol.hints import Final, NoReturn
from idol.patterns import compile_late
from idol.rust_type import (
    UNIT,
    Array,
    Binding,
    Bound,
    Call,
    Captures,
    Constant,
    Constraint,
    Expression,
    Function,
    GenericArgument,
    ImplTrait,
    Inferred,
    Lifetime,
    MacroCall,
    Never,
    Parameter,
    Path,
    Pointer,
    QualifiedPath,
    Reference,
    RustType,
    Segment,
    Slice,
    TraitBound,
    TraitObject,
    Tuple,
    is_identifier,
)
from idol.rust_type_tokens import MAX_LENGTH, Token, blank_comments, split

#: Deepest nesting of types in types.
MAX_DEPTH: Final = 64

#: Keywords that stand for a module or type in a path.
_PATH_KEYWORDS: Final = frozenset({"crate", "self", "super", "Self"})


def read_type(text: str) -> RustType:
    """Read a whole text.

    :raises TypeSyntaxError: with the offset of the first character that does not fit.
    """
    return _TypeReader(text).read_whole()


_INTEGER = compile_late(r"0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*")
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}


class _TypeReader:
    """Recursive descent over the tokens of one type."""

    def __init__(self, text: str) -> None:
        self._original = text
        self._index = 0
        self._depth = 0
        if len(text) > MAX_LENGTH:
            raise TypeSyntaxError(text[:40] + "…", MAX_LENGTH, "it is too long")
        self._text = blank_comments(text)
        self._tokens = split(text, self._text)

    def read_whole(self) -> RustType:
        result = self._read_type()
        if self._token.kind != "end":
            self._fail(f"unexpected `{self._token.text}` after the type")
        return result

    # -- types -----------------------------------------------------------------------------

    def _read_type(self, *, may_add: bool = True) -> RustType:
        """Read a type; without `may_add`, a `+` after a bound is not part of it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"types nest deeper than {MAX_DEPTH} levels")
        readers: dict[str, Callable[[], RustType]] = {
            "(": self._read_tuple,
            "[": self._read_bracket,
            "&": self._read_reference,
            "*": self._read_pointer,
            "<": self._read_qualified_path,
            "!": self._read_never,
            "_": self._read_inferred,
            "dyn": lambda: self._read_trait_object(may_add),
            "impl": lambda: self._read_impl(may_add),
            "fn": self._read_function,
            "for": self._read_function,
            "unsafe": self._read_function,
            "extern": self._read_function,
        }
        is_literal = self._token.kind == "literal"
        reader = None if is_literal else readers.get(self._token.text)
        result = self._read_named() if reader is None else reader()
        self._depth -= 1
        return result

    def _read_tuple(self) -> RustType:
        self._take("(")
        items, trailing = self._read_types(")")
        if len(items) == 1 and not trailing:
            return items[0]  # only parentheses
        return Tuple(items)

    def _read_types(self, closer: str) -> tuple[tuple[RustType, ...], bool]:
        """Read types up to a closing mark; also return whether a comma stood before it."""
        items: list[RustType] = []
        trailing = False
        while self._token.text != closer:
            items.append(self._read_type())
            trailing = self._skip(",")
            if not trailing:
                break
        self._take(closer)
        return tuple(items), trailing

    def _read_bracket(self) -> RustType:
        self._take("[")
        element = self._read_type()
        if self._skip("]"):
            return Slice(element)
        self._take(";")
        length = self._read_expression()
        self._take("]")
        return Array(element, length)

    def _read_reference(self) -> RustType:
        self._take("&")
        lifetime = self._skip_lifetime()
        is_mutable = self._skip("mut")
        return Reference(self._read_type(may_add=False), is_mutable, lifetime)

    def _read_pointer(self) -> RustType:
        self._take("*")
        is_mutable = self._skip("mut")
        if not is_mutable:
            self._take("const")
        return Pointer(self._read_type(may_add=False), is_mutable)

    def _read_never(self) -> RustType:
        self._take("!")
        return Never()

    def _read_inferred(self) -> RustType:
        self._take("_")
        return Inferred()

    def _read_function(self) -> RustType:
        binder = self._read_binder()
        qualifiers = []
        if self._skip("unsafe"):
            qualifiers.append("unsafe")
        if self._skip("extern"):
            qualifiers.append("extern")
            if self._token.kind == "literal":
                qualifiers.append(self._read_abi())
        self._take("fn")
        self._take("(")
        parameters: list[RustType | Parameter] = []
        is_variadic = False
        while self._token.text != ")" and not is_variadic:
            attributes = self._read_attributes()
            is_variadic = self._skip("...")
            if not is_variadic:
                parameters.append(self._read_parameter(attributes))
            elif attributes:
                self._fail("`...` takes no attributes here")
            if not self._skip(","):
                break
        self._take(")")
        result = self._read_type(may_add=False) if self._skip("->") else UNIT
        return Function(tuple(parameters), result, " ".join(qualifiers), is_variadic, binder)

    def _read_abi(self) -> str:
        token = self._token
        if not token.text.startswith(('"', "r")):
            self._fail_expected("the name of an ABI")
        return self._advance().text

    def _read_attributes(self) -> tuple[str, ...]:
        found = []
        while self._skip("#"):
            start = self._token.end
            if self._token.text != "[":
                self._fail_expected("`[`")
            self._skip_group()
            found.append(self._written(start)[:-1].strip())
        return tuple(found)

    def _read_parameter(self, attributes: tuple[str, ...]) -> RustType | Parameter:
        name = None
        token, following = self._token, self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        if token.kind == "name" and following.text == ":":
            if token.text != "_":
                self._check_name(token)
            name = token.text
            self._index += 2
        rust_type = self._read_type()
        return Parameter(rust_type, name, attributes) if name or attributes else rust_type

    # -- bounds ----------------------------------------------------------------------------

    def _read_trait_object(self, may_add: bool) -> RustType:
        self._take("dyn")
        bounds = self._read_bounds(may_add)
        self._check_for_trait(bounds)
        return TraitObject(bounds)

    def _read_impl(self, may_add: bool) -> RustType:
        self._take("impl")
        bounds = self._read_bounds(may_add)
        self._check_for_trait(bounds)
        return ImplTrait(bounds)

    def _check_for_trait(self, bounds: tuple[Bound, ...]) -> None:
        if not any(isinstance(bound, Path | TraitBound) for bound in bounds):
            self._fail_expected("a trait")

    def _read_bounds(self, may_add: bool) -> tuple[Bound, ...]:
        bounds = [self._read_bound()]
        while may_add and self._skip("+"):
            if not self._starts_bound():
                break  # a last `+` is allowed
            bounds.append(self._read_bound())
        return tuple(bounds)

    def _starts_bound(self) -> bool:
        token = self._token
        return token.kind in ("lifetime", "name") or token.text in ("::", "?", "(")

    def _read_bound(self) -> Bound:
        if (lifetime := self._skip_lifetime()) is not None:
            return lifetime
        if self._token.text == "use":
            return self._read_captures()
        if self._skip("("):
            bound = self._read_trait_bound()
            self._take(")")
            return bound
        return self._read_trait_bound()

    def _read_trait_bound(self) -> Path | TraitBound:
        # Both orders are read; rustc has changed its mind about which one is right.
        binder = self._read_binder()
        is_optional = self._skip("?")
        binder = binder or self._read_binder()
        path = self._read_path()
        return TraitBound(path, is_optional, binder) if is_optional or binder else path

    def _read_binder(self) -> tuple[str, ...]:
        """Read `for<'a, 'b: 'a>`, if it is there."""
        if not self._skip("for"):
            return ()
        self._take("<")
        lifetimes = []
        while self._token.text != ">":
            start = self._token.start
            if self._skip_lifetime() is None:
                self._fail_expected("a lifetime")
            if self._skip(":"):
                while self._skip_lifetime() is not None and self._skip("+"):
                    pass
            lifetimes.append(self._written(start))
            if not self._skip(","):
                break
        self._take(">")
        return tuple(lifetimes)

    def _read_captures(self) -> Captures:
        self._take("use")
        self._take("<")
        names = []
        while self._token.text != ">":
            token = self._token
            if token.kind == "name" and token.text != "Self":
                self._check_name(token)
            elif token.kind not in ("lifetime", "name"):
                self._fail_expected("a name or lifetime")
            names.append(self._advance().text)
            if not self._skip(","):
                break
        self._take(">")
        return Captures(tuple(names))

    # -- paths -----------------------------------------------------------------------------

    def _read_named(self) -> Path | MacroCall:
        path = self._read_path()
        if self._token.text != "!":
            return path
        if any(segment.arguments or segment.call for segment in path.segments):
            self._fail_expected("the end of the type")
        self._advance()
        start = self._token.start
        if self._token.text not in _CLOSERS:
            self._fail_expected("`(`, `[` or `{`")
        self._skip_group()
        return MacroCall(path, self._written(start))

    def _read_path(self) -> Path:
        is_global = self._skip("::")
        if self._token.kind != "name":
            self._fail_expected("a type")
        return Path(self._read_segments(is_first=not is_global), is_global)

    def _read_segments(self, *, is_first: bool = True) -> tuple[Segment, ...]:
        segments = [self._read_segment(is_first)]
        while self._skip("::"):
            segments.append(self._read_segment(is_first=False))
        return tuple(segments)

    def _read_segment(self, is_first: bool) -> Segment:
        token = self._token
        if token.kind != "name":
            self._fail_expected("a name")
        allowed = token.text in _PATH_KEYWORDS and (is_first or token.text == "super")
        if not allowed:
            self._check_name(token)
        self._advance()
        if self._token.text == "::" and self._tokens[self._index + 1].text in ("<", "("):
            self._advance()  # the turbofish of expressions is allowed in types too
        if self._skip("("):
            parameters, _ = self._read_types(")")
            result = self._read_type(may_add=False) if self._skip("->") else None
            return Segment(token.text, call=Call(parameters, result))
        return Segment(token.text, self._read_arguments())

    def _check_name(self, token: Token) -> None:
        if not is_identifier(token.text) and not token.text.startswith("r#"):
            self._fail(f"`{token.text}` is a keyword and cannot name a type")

    def _read_arguments(self) -> tuple[GenericArgument, ...]:
        """Read generic arguments with their brackets, if there are any."""
        if not self._skip("<"):
            return ()
        arguments = []
        while self._token.text != ">":
            arguments.append(self._read_argument())
            if not self._skip(","):
                break
        self._take(">")
        return tuple(arguments)

    def _read_argument(self) -> GenericArgument:
        if (lifetime := self._skip_lifetime()) is not None:
            return lifetime
        if (constant := self._read_constant()) is not None:
            return constant
        if self._names_associated():
            token = self._advance()
            arguments = self._read_arguments()
            if self._skip(":"):
                if self._token.text in (",", ">"):
                    return Constraint(token.text, (), arguments)
                return Constraint(token.text, self._read_bounds(may_add=True), arguments)
            self._take("=")
            return Binding(token.text, self._read_constant() or self._read_type(), arguments)
        return self._read_type()

    def _names_associated(self) -> bool:
        """Return whether `Name =`, `Name:`, `Name<…> =` or `Name<…>:` comes next."""
        if self._token.kind != "name":
            return False
        at = self._index + 1
        if self._tokens[at].text == "<":
            depth = 0
            while at < len(self._tokens) - 1:
                depth += {"<": 1, ">": -1}.get(self._tokens[at].text, 0)
                at += 1
                if not depth:
                    break
        return self._tokens[at].text in ("=", ":")

    def _read_constant(self) -> Constant | None:
        """Read a constant that can stand for itself in generic arguments, if one is there."""
        token, following = self._token, self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        is_negative = token.text == "-" and token.kind == "mark"
        number = following if is_negative else token
        if number.kind == "number":
            self._index += is_negative
            value = self._read_integer()
            return Constant(-value if is_negative else value)
        if number.kind == "float" or token.kind == "literal" or token.text in ("true", "false"):
            self._index += is_negative
            return Constant(Expression(f"{'-' if is_negative else ''}{self._advance().text}"))
        if token.text == "{":
            start = token.start
            self._skip_group()
            return Constant(Expression(self._written(start)))
        return None

    def _read_qualified_path(self) -> RustType:
        self._take("<")
        inner = self._read_type()
        trait = self._read_path() if self._skip("as") else None
        self._take(">")
        self._take("::")
        return QualifiedPath(inner, trait, self._read_segments())

    # -- constants -------------------------------------------------------------------------

    def _read_expression(self) -> int | Expression:
        """Read an array length: an integer, or any other text with balanced brackets."""
        start = self._token.start
        if self._token.kind == "number" and self._tokens[self._index + 1].text == "]":
            return self._read_integer()
        while self._token.text not in ("]", ";", ",", "") or self._token.kind == "literal":
            if self._token.text in _CLOSERS:
                self._skip_group()
            elif self._token.text in _CLOSERS.values():
                self._fail(f"`{self._token.text}` closes nothing")
            else:
                self._advance()
        if self._token.start == start:
            self._fail_expected("a length")
        return Expression(self._written(start))

    def _skip_group(self) -> None:
        """Pass over a bracket and everything up to the one that closes it."""
        open_closers: list[str] = []
        while True:
            token = self._token
            if token.kind == "end":
                self._fail_expected(f"`{open_closers[-1]}`")
            self._advance()
            if token.kind != "mark":
                continue
            if token.text in _CLOSERS:
                open_closers.append(_CLOSERS[token.text])
            elif token.text in _CLOSERS.values() and token.text != open_closers.pop():
                self._index -= 1
                self._fail(f"`{token.text}` closes nothing")
            if not open_closers:
                return

    def _written(self, start: int) -> str:
        """Return the text from an offset to the last token taken, one space for any between."""
        first = self._index
        while first and self._tokens[first - 1].start >= start:
            first -= 1
        text, end = "", None
        for token in self._tokens[first : self._index]:
            text += (" " if end is not None and token.start > end else "") + token.text
            end = token.end
        return text

    def _read_integer(self) -> int:
        token = self._token
        match = _INTEGER.match(token.text)
        assert match is not None  # the token pattern begins the same way
        digits = match[0].replace("_", "")
        if len(digits) > 40:
            self._fail("this number is too large")
        self._advance()
        return int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10))

    # -- small steps -----------------------------------------------------------------------

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._index += 1
        return token

    def _skip(self, text: str) -> bool:
        if self._token.text != text or self._token.kind == "end":
            return False
        self._index += 1
        return True

    def _skip_lifetime(self) -> Lifetime | None:
        if self._token.kind != "lifetime":
            return None
        return Lifetime(self._advance().text[1:])

    def _take(self, text: str) -> None:
        if not self._skip(text):
            self._fail_expected(f"`{text}`")

    def _fail_expected(self, wanted: str) -> NoReturn:
        token = self._token
        found = "the end of the text" if token.kind == "end" else f"`{token.text}`"
        self._fail(f"expected {wanted}, found {found}")

    def _fail(self, message: str) -> NoReturn:
        raise TypeSyntaxError(self._original, self._token.start, message)
