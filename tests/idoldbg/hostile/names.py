"""Builds whose names want to be obeyed, and what an output must be for all of them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from idoldbg.build.debuginfo import constants as dw
from idoldbg.model.memory import Segment
from tests.idoldbg.conftest import Die
from tests.idoldbg.hostile import builds, mutations

MARK = "INJECTED"

#: Parts that end a line, close a string, an element, an attribute, code, or are a command.
PARTS = (
    *("\n", "\r", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\x7f"),
    *("\x00", "\x07", "\x08", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\x9d0;x\x9c", "\u202e"),
    *("\u2066", "\u200b", "\ufeff", "\ufffe", "\U000e0041", "\ud800", "\udcff"),
    *("::error::", "::set-output name=x::", "##[error]", "##vso[task.setvariable]", "%0A", "%"),
    *("'", '"', '"""', "\\", "`", "``", "```", "|", "\\|", "<", ">", "&", "</script>", "<b>"),
    *("<!--", "]]>", "<![CDATA[", "[x](http://e)", "![x](y)", "*", "_", "#", "- ", "1. ", "$"),
    *("\\N{BULLET}", "__import__('os').system('x')", "{__import__('os')}", "${{ secrets.X }}"),
    *("@user", "http://e", "*/", "/*", '"#', "//"),
    *(",", ":", ";", "{", "}", "(", ")", "$(id)", "`id`", "é", "漢", " ", "  "),
)
EVIL = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map(
    lambda parts: "".join(parts) + MARK
)


def toml(text: str) -> str:
    """Return a basic string of TOML, which has no lone surrogates."""
    inner = "".join(
        c if c.isalnum() else "?" if 0xD800 <= ord(c) < 0xE000 else f"\\U{ord(c):08x}" for c in text
    )
    return f'"{inner}"'


def ron(text: str) -> str:
    """Return a string of RON, which has no lone surrogates either."""
    inner = "".join(
        c if c.isalnum() else "?" if 0xD800 <= ord(c) < 0xE000 else f"\\u{{{ord(c):x}}}"
        for c in text
    )
    return f'"{inner}"'


def in_elf(text: str) -> str:
    """Return a text as a string of an ELF file can hold it."""
    return text.replace("\0", "").encode(errors="replace").decode()


def build(evil: str, where: str) -> tuple[bytes, bytes]:
    """Return an archive and a dump of it, with `evil` in the names of one sort."""
    rename: Callable[[str], str] = lambda name: name  # noqa: E731
    interface, app = builds.INTERFACE, builds.APP
    parts = builds.parts()
    match where:
        case "app":
            app = app.replace('"tiny"', toml(f"tiny{evil}")).replace('"nowhere"', toml(f"no{evil}"))
            app = app.replace('"task-jefe"', toml(f"crate{evil}"))
            app = app.replace('["fault"]', f"[{toml(f'fault{evil}')}]")
            app = app.replace('"spi1"', toml(f"spi{evil}"))
            parts["image-name"] = f"image{evil}".encode(errors="replace")
            parts["git-rev"] = f"rev{evil}".encode(errors="replace")
        case "debug":
            names = {"a", "b", "A", "B", "Bad", "Dead", "No", "Other", "next", "RINGBUF", "value"}
            rename = lambda name: name + in_elf(evil) if name in names else name  # noqa: E731
        case "types":
            names = {"Block", "Tree", "Fancy", "Port", "DemoError", "demo_api", "Task", "kern"}
            rename = lambda name: name + in_elf(evil) if name in names else name  # noqa: E731
        case "idol":
            for name in ("port", "on", "which", "data", "get", "ask"):
                interface = interface.replace(f'"{name}"', ron(name + evil))
        case "interface":
            interface = interface.replace('"Demo"', ron(f"Demo{evil}"))
        case "idol types":
            interface = interface.replace('"Port"', ron(f"Port{evil}"))
            interface = interface.replace('"Tree"', ron(f"Tree{evil}"))
        case "doc":
            interface = interface.replace('"get": (', f'"get": (doc: {ron(f"says {evil}")},')
    server = builds.server()
    _rename(server, rename)
    kernel = builds.kernel()
    if where == "types":
        _rename(kernel, rename)
    parts["app.toml"] = app.encode()
    parts["elf/task/demo"] = builds.encode_object(
        server, interface=interface, at=builds.FLASH + 0x800
    )
    archive = mutations.archive(parts)
    segment = Segment(builds.RAM, builds.memory())
    return archive, mutations.encode_dump(archive, [segment], {})


WHERE = ("app", "debug", "types", "idol", "interface", "idol types", "doc")


def _rename(die: Die, rename: Callable[[str], str]) -> None:
    for entry in mutations.iter_entries(die):
        entry.attributes = [
            (a, f, rename(v) if a == dw.DW_AT_name and isinstance(v, str) else v)
            for a, f, v in entry.attributes
        ]


# -- what every output is ------------------------------------------------------------------------


def check_lines(text: str, *, commands: tuple[str, ...] = (), may_wrap: bool = False) -> None:
    """Check a text for people: no line is another's, nothing is obeyed."""
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        start = line.lstrip()
        if not start.startswith(commands or ("\n",)):
            assert not start.startswith("::"), line
        assert not re.search(r"##(vso)?\[", line, re.IGNORECASE) or commands, line
        # A text that is wrapped may begin a line with any word of a name that has blanks.
        assert may_wrap or not start.startswith(MARK), line


def check_commands(text: str, *, is_multiline: bool = False) -> None:
    """Check that a document, which may be printed in CI, has no command in it.

    `is_multiline` of several lines, such as what pytest says of a failure.
    """
    for line in text.split("\n"):
        assert not line.lstrip().startswith("::"), line
        assert not re.search(r"##(vso)?\[", line, re.IGNORECASE), line
        assert is_multiline or not line.lstrip().startswith(MARK), line


def check_json(text: str) -> Any:
    """Check a JSON document; return what it holds."""
    check_commands(text)
    assert all(c.isprintable() or c == "\n" for c in text), ascii(text)[:500]
    return json.loads(text)


def check_xml(text: str, *, is_multiline: bool = False) -> ET.Element:
    """Check that it parses, and holds nothing that a terminal or a page would obey."""
    check_commands(text, is_multiline=is_multiline)
    root = ET.fromstring(text.encode())
    for element in root.iter():
        for part in (*element.attrib.values(), element.text or ""):
            assert all(c.isprintable() or c in "\n\t" for c in part), ascii(part)
    return root


class _Page(HTMLParser):
    """Collects the tags of a page, and its attributes' names."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("href", "src"):
                assert (value or "").startswith("#"), (name, value)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def check_html(text: str, like: str, *, is_multiline: bool = False) -> None:
    """Check a page: of elements and attributes it has what one with plain names has."""
    assert all(c.isprintable() or c in "\n\t" for c in text), ascii(text)[:500]
    bare = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    check_commands(bare, is_multiline=is_multiline)
    found, plain = _Page(), _Page()
    found.feed(text)
    plain.feed(like)
    assert found.tags <= plain.tags | {
        *("details", "summary", "code", "ul", "li", "section", "wbr")
    }
    assert found.attributes <= plain.attributes | {"title", "open"}, found.attributes
    assert found.scripts == plain.scripts


def check_markdown(text: str) -> None:
    """Check GitHub's Markdown: no element of others, tables keep their columns, code is closed."""
    check_lines(text, may_wrap=True)
    columns = None
    for line in text.split("\n"):
        bare = re.sub(r"</?(details|summary|code|br)>", "", line)
        assert "<" not in bare and ">" not in bare, line
        assert not re.search(r"(?<!\\)(\\\\)*`", bare), line
        assert not re.search(r"(?<!\\)(\\\\)*\](?=\()", bare), line
        if line.startswith("|"):
            cells = re.findall(r"(?<!\\)(?:\\\\)*\|", line)
            columns = columns or len(cells)
            assert len(cells) == columns, line
        assert not re.match(r"\s*(>|#{1,6} (?!\W))", line) or line.startswith(("## ", "### ")), line


def iter_strings(value: Any) -> Iterator[str]:
    """Yield every string of a JSON document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from iter_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from iter_strings(inner)
