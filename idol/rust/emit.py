"""The printer below all emitters: indentation, and rustfmt's choice of one line or several.

Ref: rustfmt's default style (edition 2021): `max_width` 100, `fn_call_width` 60, `array_width` 60,
`struct_lit_width` 18, `attr_fn_like_width` 70,
`short_array_element_width_threshold` 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from idol.hints import Final
from idol.printable import one_line

MAX_WIDTH: Final = 100
CALL_WIDTH: Final = 60
STRUCT_WIDTH: Final = 18
ATTRIBUTE_WIDTH: Final = 70
SHORT_ITEM_WIDTH: Final = 10


class Emitter:
    """Collects lines; `str` gives the whole text."""

    def __init__(self, is_formatted: bool = True) -> None:
        self._lines: list[str] = []
        self._indent = 0
        self._is_formatted = is_formatted

    def __str__(self) -> str:
        if not self._is_formatted:
            return "".join(f"{line.strip()}\n" for line in self._lines if line)
        return "\n".join(self._lines) + "\n"

    def line(self, text: str) -> None:
        """Add one line at the current indentation."""
        self._lines.append("    " * self._indent + text)

    def blank(self) -> None:
        """Separate: add an empty line, unless at the start of a block or after another one."""
        if self._lines and self._lines[-1] and not self._lines[-1].endswith("{"):
            self._lines.append("")

    def docs(self, lines: Iterable[str]) -> None:
        """Add documentation comments, a line for each; rustc refuses some characters in them."""
        for text in lines:
            self.line(f"/// {one_line(text)}".rstrip())

    def comments(self, lines: Iterable[str]) -> None:
        """Add ordinary comments."""
        for text in lines:
            self.line(f"// {one_line(text)}".rstrip())

    @contextmanager
    def block(self, opening: str, closing: str | None = "}") -> Iterator[None]:
        """Indent what is added inside `opening` … `closing`; None leaves the closing to come."""
        self.line(opening)
        self._indent += 1
        yield
        self._indent -= 1
        if closing is not None:
            self.line(closing)

    def block_lines(self, opening: str, items: Sequence[str], closing: str) -> None:
        """Add a list with one item on each line."""
        with self.block(opening, closing):
            for item in items:
                self.line(f"{item},")

    @contextmanager
    def block_body(self) -> Iterator[None]:
        """Indent what is added up to a closing brace; the opening one is there already."""
        self._indent += 1
        yield
        self._indent -= 1
        self.line("}")

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent what is added, with no bracket around."""
        self._indent += 1
        yield
        self._indent -= 1

    def outdented(self, text: str) -> None:
        """Add one line a level further out, such as `} else {` inside a block."""
        self._lines.append("    " * (self._indent - 1) + text)

    def fits(self, text: str) -> bool:
        """Return whether a text stands on one line here."""
        return 4 * self._indent + len(text) <= MAX_WIDTH

    def listed(self, before: str, items: Sequence[str], after: str, width: int = MAX_WIDTH) -> None:
        """Add `before`item, item`after` on one line, or over several.

        `before` ends with the opening bracket and `after` starts with the closing one; `width` is
        the longest list that rustfmt keeps on one line, whatever room there is.
        """
        inner = ", ".join(items)
        if len(inner) <= width and self.fits(before + inner + after):
            self.line(before + inner + after)
            return
        with self.block(before, after):
            if items and all(len(item) <= SHORT_ITEM_WIDTH for item in items):
                self._packed(items)
            else:
                for item in items:
                    self.line(f"{item},")

    def _packed(self, items: Sequence[str]) -> None:
        """Add as many items to a line as it holds."""
        text = ""
        for item in items:
            longer = f"{text} {item},".lstrip()
            if text and not self.fits(longer):
                self.line(text)
                longer = f"{item},"
            text = longer
        self.line(text)

    def call(self, before: str, arguments: Sequence[str], after: str) -> None:
        """Add a function call; `before` ends with `(` and `after` starts with `)`."""
        self.listed(before, arguments, after, CALL_WIDTH)

    def macro(self, name: str, arguments: Sequence[str]) -> None:
        """Add a call of a macro; there is no comma after the last argument."""
        inner = ", ".join(arguments)
        is_short = len(arguments) == 1 or len(inner) <= CALL_WIDTH
        if is_short and self.fits(f"{name}({inner});"):
            self.line(f"{name}({inner});")
            return
        with self.block(f"{name}(", ");"):
            for argument in arguments[:-1]:
                self.line(f"{argument},")
            function, _, argument = arguments[-1].rpartition("(")
            innermost = argument.rstrip(")")
            if self.fits(arguments[-1]) or not function or not innermost:
                self.line(arguments[-1])
                return
            with self.block(f"{function}(", argument.removeprefix(innermost)):
                self.line(innermost)

    def counted_variant(self, name: str, result: Sequence[str]) -> None:
        """Add an enum variant that holds a counted `Result` of two types."""
        text = f"{name}(#[count(children)] Result<{', '.join(result)}>),"
        if self.fits(text):
            self.line(text)
            return
        with self.block(f"{name}(", "),"):
            counted = f"Result<{', '.join(result)}>,"
            if self.fits(f"#[count(children)] {counted}"):
                self.line(f"#[count(children)] {counted}")
            else:
                self.line("#[count(children)]")
                self.line(counted)

    def derive(self, traits: Sequence[str]) -> None:
        """Add a derive attribute."""
        inner = ", ".join(traits)
        # rustfmt takes the brackets and the word off the line twice over.
        if 4 * self._indent + len(inner) <= MAX_WIDTH - 15:
            self.line(f"#[derive({inner})]")
        elif self.fits(f"    {inner},"):
            with self.block("#[derive(", ")]"):
                self.line(f"{inner},")
        else:
            self.block_lines("#[derive(", traits, ")]")

    def allow(self, lints: Sequence[str]) -> None:
        """Add an allow attribute."""
        self.listed("#[allow(", lints, ")]", ATTRIBUTE_WIDTH)

    def struct(self, opening: str, fields: Sequence[str]) -> None:
        """Add a struct definition; `opening` is without the brace."""
        if not fields:
            self.line(f"{opening} {{}}")
            return
        with self.block(f"{opening} {{"):
            for text in fields:
                self._declared(text, ",")

    def _declared(self, text: str, end: str) -> None:
        """Add `name: type`, the type on its own line if need be."""
        if self.fits(text + end):
            self.line(text + end)
            return
        name, _, rest = text.partition(": ")
        self.line(f"{name}:")
        with self.indented():
            self.line(rest + end)

    def tuple_field(self, name: str, types: Sequence[str]) -> None:
        """Add a struct field that is a tuple of at least one type."""
        if len(types) == 1:
            self.line(f"{name}: ({types[0]},),")
        else:
            self.listed(f"{name}: (", types, "),", CALL_WIDTH)

    def arm(self, pattern: str, expression: str) -> None:
        """Add one arm of a match."""
        if self.fits(f"{pattern} => {expression},"):
            self.line(f"{pattern} => {expression},")
        else:
            with self.block(f"{pattern} => {{"):
                self.line(expression)

    def assign_literal(self, target: str, struct: str, fields: Sequence[str]) -> None:
        """Add `target = struct { fields };`."""
        inner = ", ".join(fields)
        literal = f"{struct} {{ {inner} }}" if fields else f"{struct} {{}}"
        if len(inner) <= STRUCT_WIDTH and self.fits(f"    {literal};"):
            self.assign(target, literal)
        else:
            self.block_lines(f"{target} = {struct} {{", fields, "};")

    def assign(self, target: str, expression: str) -> None:
        """Add `target = expression;`, with the expression on its own line if need be."""
        if self.fits(f"{target} = {expression};"):
            self.line(f"{target} = {expression};")
            return
        self.line(f"{target} =")
        self._indent += 1
        self.line(f"{expression};")
        self._indent -= 1

    def assign_call(self, target: str, function: str, arguments: Sequence[str]) -> None:
        """Add `target = function(arguments);`; `function` ends with `(`."""
        inner = ", ".join(arguments)
        call = f"{function}{inner})"
        one_line = f"{target} = {call};"
        if len(inner) <= CALL_WIDTH and not self.fits(one_line) and self.fits(f"    {call};"):
            self.assign(target, call)
        elif not self.fits(f"{target} = {function}"):
            self.line(f"{target} =")
            with self.indented():
                self.call(function, arguments, ");")
        else:
            self.call(f"{target} = {function}", arguments, ");")

    @contextmanager
    def let_else(self, pattern: str, expression: str) -> Iterator[None]:
        """Add `let pattern = expression else { … };`; the body must not come back."""
        # rustfmt keeps room for one more character than stands there.
        if self.fits(f"let {pattern} = {expression} else {{;"):
            self.line(f"let {pattern} = {expression} else {{")
        else:
            if self.fits(f"let {pattern} = {expression};"):
                self.line(f"let {pattern} = {expression}")
            else:
                self.line(f"let {pattern} =")
                self.line(f"    {expression}")
            self.line("else {")
        self._indent += 1
        yield
        self._indent -= 1
        self.line("};")

    def method_of_result(self, opening: str, name: str, result: Sequence[str]) -> None:
        """Add the head of a method whose one parameter is a `Result` of two types."""
        parameter = f"{name}: Result<{', '.join(result)}>"
        if self.fits(f"    {parameter},") or self.fits(f"{opening}(self, {parameter}) {{"):
            self.function(opening, ["self", parameter])
            return
        with self.block(f"{opening}(", ") {"):
            self.line("self,")
            self.block_lines(f"{name}: Result<", result, ">,")

    def function(
        self,
        opening: str,
        parameters: Sequence[str],
        result: Sequence[str] = (),
        bound: str | None = None,
        is_declared_only: bool = False,
    ) -> None:
        """Add a function's head up to `{`, or up to `;` if that is all there is of it.

        `result` has no item for `()`, one for a plain type, and two for a `Result` of them.
        """
        plain = f"Result<{', '.join(result)}>" if len(result) == 2 else "".join(result)
        arrow = f" -> {plain}" if result else ""
        end = "" if bound else ";" if is_declared_only else " {"
        one_line = f"{opening}({', '.join(parameters)}){arrow}{end}"
        is_where_there = False
        # rustfmt keeps room for one more character before `where`.
        if self.fits(f"{one_line};" if bound else one_line):
            self.line(one_line)
        elif end == " {" and not parameters and self.fits(one_line.removesuffix(end)):
            self.line(one_line.removesuffix(end))
            self.line("{")
        else:
            with self.block(f"{opening}(", None):
                for parameter in parameters:
                    self.line(f"{parameter},")
            if len(result) == 2 and not self.fits(f"){arrow}{end}"):
                self.block_lines(") -> Result<", result, f">{end}")
            else:
                self.line(f"){arrow}{end}{' where' if bound and not arrow else ''}")
                is_where_there = bool(bound and not arrow)
        if bound:
            if not is_where_there:
                self.line("where")
            with self.indented():
                self._declared(bound, ";" if is_declared_only else ",")
            if not is_declared_only:
                self.line("{")
