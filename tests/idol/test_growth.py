"""Long interfaces take as much longer to read, check, report and lay out as they are longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

import idol
from idol.document import FORMATS as PAGES
from idol.document import describe
from idol.report import FORMATS as REPORTS
from idol.report import FileReport
from tests.idol.growth import grows_linearly

COUNT: Final = 150


def many(item: str, count: int, separator: str = ",") -> str:
    return separator.join(item.replace("N", str(number)) for number in range(count))


def ops(text: str) -> str:
    return f'Interface(name: "I", ops: {{{text}}})'


def op(text: str) -> str:
    return ops(f'"a": (reply: Simple("()"), {text})')


TEXTS: Final[dict[str, Callable[[int], str]]] = {
    "leases": lambda n: op(f'leases: {{{many(""""lN": (type: "[u8]", write: true)""", n)}}}'),
    "unknown fields": lambda n: op(many("nopeN: 1", n)),
    "the same field": lambda n: op(many("doc: 1", n)),
    "arguments of bad types": lambda n: op(f'args: {{{many(""""aN": "<<N" """, n)}}}'),
    "the same argument": lambda n: op(f'args: {{{many(""""a": "u8" """, n)}}}'),
    "operations on one line": lambda n: ops(many('"aN": (reply: Simple("()"))', n)),
    "operations of one name": lambda n: ops(many('"a": (reply: Simple("()"))', n, ",\n")),
    "items with an error": lambda n: ops(many('"aN": (reply = 1)', n, ",\n")),
    "brackets that do not close": lambda n: ops(many('"aN": (reply: Simple("()")', n, "\n")),
    "strings that do not close": lambda n: ops(many('"aN: (reply: Simple("()"))', n, ",\n")),
    "opening brackets": lambda n: ops('"a": (reply: ' + "([{" * n),
    "brackets of other kinds": lambda n: ops('"a": ' + "([{" * n + ")]}" * n),
    "nested lists of errors": lambda n: "[" + "(1 1, [" * 50 + "1 1, ), " * n,
    "opening comments": lambda n: ops("") + "/*" * n,
    "raw strings": lambda n: "[" + 'r##"x"# , ' * n,
    "hashes": lambda n: "[r" + "#" * n + '"',
    "backquotes": lambda n: op(f'doc: "{many("`x ``", n, " ")}"'),
    "backquotes of all lengths": lambda n: op(f'doc: "{" ".join("`" * i for i in range(n // 8))}"'),
    "sentences": lambda n: op(f'doc: "{"a. b " * n}"'),
    "control characters": lambda n: op(f'doc: "{chr(92)}u{{1b}}{"x~" * n}{chr(0x202E) * n}"'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_growth(name: str) -> None:
    def examine(count: int) -> None:
        source = idol.Source("long.idol", TEXTS[name](count))
        try:
            interface = idol.parse(source)
            findings = idol.check(interface, strict=True)
            for page in PAGES.values():
                page.render_page(describe(interface))
        except idol.DiagnosedError as error:
            findings = error.diagnostics
        for report in REPORTS.values():
            report((FileReport(source.name, findings),))
        try:
            idol.format_text(source)
        except idol.RonError:
            assert findings

    assert grows_linearly(examine, COUNT)
