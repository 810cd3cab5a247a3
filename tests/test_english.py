"""Sentences of sources and documents: no idiom that native readers stumble over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for top in ("idol", "idoldbg", "tests", "benchmarks", "fixtures")
    for path in (ROOT / top).rglob("*.py")
    if path != Path(__file__) and "_vendor" not in path.parts
)
DOCUMENTS = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "idol").rglob("*.md"),
        *(ROOT / "fixtures").rglob("*.md"),
        *(p for p in (ROOT / "idoldbg").rglob("*.md") if "_vendor" not in p.parts),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)

#: (what must not be written, a sentence with it, what to write)
IDIOMS = [
    (r"\btell whether\b", "Tell whether it runs.", "Return whether it runs."),
    (
        r"(?<!there )(?<!there, )\b(is|are) no (?!longer\b|more\b|other\b|such\b|new\b)",
        "`abc` is no u8",
        "`abc` is not a u8",
    ),
    (r"\bstands? in debug state\b", "The core stands in debug state.", "The core is halted."),
    (r"\b(of|from) another (age|make)\b", "It is of another age.", "from a different version"),
    (r"\bnothing speaks against\b", "Nothing speaks against it.", "It passed all checks."),
    (r"\b(?:type|rule|board|task|one) that there is not\b", "a type that there is not", "no such"),
    (r"\bnothing came of\b", "nothing came of 60 seconds", "gave up after 60 s"),
    (r"\bof no more use\b", "It is of no more use.", "It must be closed."),
    (r"\bdoubtful but bearable\b", "What is doubtful but bearable", "recoverable problems"),
    (r"\bfirst kindly\b", "End it, first kindly.", "SIGTERM, then SIGKILL"),
    (r"\bDefault: not\b", "Default: not.", "Default: no wait."),
    (r"\bit cannot be told\b", "It cannot be told which.", "It is unknown which."),
    (r"\bnobody notices\b", "whose time nobody notices", "no measurable cost"),
    (r"\btake_all_letters\b", "take_all_letters()", "use_surrogateescape()"),
    (r"\bwho died, of what\b", "Say who died, of what.", "Report which task died, and why."),
    (r"\b(?:what )?became of it\b", "what became of it", "its outcome"),
    (r"\bis no folder\b|\bno folder\b.*\bat\b", "`x` is no folder", "is not a directory"),
]

#: A first line is an imperative or a noun phrase.
RIDDLE = re.compile(r"(What|Who|Whose|How|Where|Which|Why|Tell|Say)\b")


def _text(path: Path) -> str:
    """Return a file's words in one line: sentences go on over line ends and comment marks."""
    return re.sub(r"\s+(?:#:?\s+)?", " ", path.read_text(encoding="utf-8"))


def find_idioms(text: str) -> Iterator[str]:
    for pattern, _, better in IDIOMS:
        for found in re.finditer(pattern, text, re.IGNORECASE):
            around = text[max(found.start() - 40, 0) : found.end() + 30]
            yield f"…{around}…: write as in: {better}"


def first_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield line number and first line of every docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node)
            if doc:
                yield getattr(node, "lineno", 1), doc.splitlines()[0]


@pytest.mark.parametrize(("pattern", "wrong", "right"), IDIOMS, ids=lambda t: t[:30])
def test_each_idiom_is_found(pattern: str, wrong: str, right: str) -> None:
    assert any(right in problem for problem in find_idioms(f"Before. {wrong} After."))
    assert not re.search(pattern, right, re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "there is no probe",
        "where there\n    # are no tasks",
        "it is no longer idempotent",
        "types that cannot be told apart",
    ],
)
def test_plain_english_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    assert list(find_idioms(_text(tmp_path / "x"))) == []


def test_sentences_are_found_over_line_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("# The connection is of no\n    #: more use.\n")
    assert list(find_idioms(_text(tmp_path / "x")))


def test_all_files_are_searched() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in [*SOURCES, *DOCUMENTS]}
    assert {"idol/reader.py", "idoldbg/cli/__init__.py", "tests/conftest.py"} <= names
    assert {"README.md", "CHANGELOG.md", "docs/api.md", "idol/rules/bad-name.md"} <= names


@pytest.mark.parametrize("top", ["idol", "idoldbg", "tests", "benchmarks", "fixtures", "documents"])
def test_no_idiom_is_left(top: str) -> None:
    files = (
        DOCUMENTS if top == "documents" else [p for p in SOURCES if p.is_relative_to(ROOT / top)]
    )
    assert files
    found = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in files
        for problem in find_idioms(_text(path))
    ]
    assert found == []


def test_docstrings_do_not_begin_with_a_riddle() -> None:
    assert RIDDLE.match("What the checks share.")
    assert not RIDDLE.match("Whether the core is halted.")
    found = []
    lines = 0
    for path in SOURCES:
        for line, first in first_lines(path.read_text(encoding="utf-8")):
            lines += 1
            if RIDDLE.match(first):
                found.append(f"{path.relative_to(ROOT)}:{line}: {first}")
    assert lines > 1000
    assert found == []


# ---- names ---------------------------------------------------------------------------------------

#: Tests state what holds: the subject first, then a verb of the field.
TEST_NAME = re.compile(
    r"test_(?:what|who|whose|whoever)_|(?<!there)_(?:is|are)_no_(?!longer|more)|_(?:said|told)(?:_|\Z)"
    r"|_(?:words|texts|letters)(?:_|\Z)"
)
#: Variables have the noun of what they hold: message, arguments, description, fields, …
VARIABLE = re.compile(r"(?:\w*_)?(?:words|texts|letters)")
#: Modules in which words are machine words.
MACHINE_WORDS = (
    "idoldbg/audit/hiffy.py",
    "idoldbg/build/debuginfo/frames.py",
    "idoldbg/build/index/",
    "idoldbg/build/kept.py",
    "idoldbg/call/",
    "idoldbg/model/board.py",
    "idoldbg/target/",
    "tests/idoldbg/call/hiffy/",
    "tests/bench/",
    "tests/idoldbg/hostile/mutations.py",
    "tests/idoldbg/target/",
    "tests/idoldbg/test_real_dumps.py",
    "tests/idoldbg/views/",
)


def find_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line number and name of everything that a module defines or assigns."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name


def is_stilted(name: str, *, is_machine: bool = False) -> bool:
    if name.startswith("test_"):
        return TEST_NAME.search(name) is not None
    return VARIABLE.fullmatch(name) is not None and not is_machine


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_what_is_no_build", True),
        ("test_a_task_is_no_path", True),
        ("test_a_lost_probe_is_said", True),
        ("test_calls_are_no_longer_made", False),
        ("test_where_there_are_no_links", False),
        ("test_what", False),
        ("words", True),
        ("_texts", True),
        ("fault_words", True),
        ("keywords", False),
        ("message", False),
    ],
)
def test_stilted_names_are_found(name: str, expected: bool) -> None:
    assert is_stilted(name) == expected
    tree = ast.parse(f"def {name}(): pass" if name.startswith("test_") else f"{name} = 1")
    assert [found for _, found in find_names(tree)] == [name]


def test_machine_words_are_words() -> None:
    assert not is_stilted("words", is_machine=True)


@pytest.mark.parametrize("top", ["idol", "idoldbg", "tests", "benchmarks", "fixtures"])
def test_no_stilted_name_is_left(top: str) -> None:
    found = []
    for path in SOURCES:
        if path.is_relative_to(ROOT / top):
            where = path.relative_to(ROOT).as_posix()
            for line, name in find_names(ast.parse(path.read_text(encoding="utf-8"))):
                if is_stilted(name, is_machine=where.startswith(MACHINE_WORDS)):
                    found.append(f"{where}:{line}: {name}")
    assert found == []
