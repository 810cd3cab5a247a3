"""No name begins a line, closes a string or an element, or is executed: in any output."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idoldbg import cli
from tests.idoldbg.hostile import names
from tests.idoldbg.hostile.names import EVIL, MARK, WHERE

EXAMPLES = settings(
    max_examples=int(os.environ.get("IDOLDBG_EXAMPLES", "10")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def run(*argv: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(list(argv))
    assert code != cli.BUG, err.getvalue()
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def build_files(evil: str, where: str) -> Iterator[tuple[str, str]]:
    archive, dump = names.build(evil, where)
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "build.zip"), Path(folder, "build.core")
        paths[0].write_bytes(archive)
        paths[1].write_bytes(dump)
        yield str(paths[0]), str(paths[1])


TEXT_COMMANDS = (
    ("list",),
    ("list", "-v"),
    ("list", "Demo"),
    ("list", "Demo.get", "-v"),
    ("list", "Dem"),
    ("types", "Block"),
    ("types", "Fancy", "--depth", "5"),
    ("types", "Port"),
    ("types", "Tree"),
    ("types", "Option", "--all"),
    ("types", "Bloc"),
    ("call", "Demo.get", "--help"),
    ("call", "Demo.ask", "--which", "None"),
    ("call", "Demo.get", "--port", "C", "--on", "true"),
    ("tasks",),
    ("tasks", "-v"),
    ("audit", "--fail-on", "none"),
    ("audit", "--fail-on", "none", "-v"),
    ("map",),
    ("map", "0x20000000"),
    ("stackmargin", "-p", "archive"),
    ("readmem", "Bloc", "-p", "archive"),
    ("manifest",),
    ("manifest", "--members"),
    ("extract",),
    ("extract", "a"),
    ("board", "start", "x"),
)


@EXAMPLES
@given(evil=EVIL, where=st.sampled_from(WHERE))
def test_output_of_commands(evil: str, where: str) -> None:
    with build_files(evil, where) as (archive, dump):
        for argv in TEXT_COMMANDS:
            path = dump if argv[0] == "tasks" else archive
            if argv[0] == "board":
                path = f"{archive}{evil}".replace("\0", "")
            _, out, err = run("--no-cache", "-a", path, *argv)
            may_wrap = argv[0] == "audit" or where == "doc"
            names.check_lines(out, may_wrap=may_wrap)
            names.check_lines(err)


@EXAMPLES
@given(evil=EVIL, where=st.sampled_from(WHERE))
def test_json_of_commands(evil: str, where: str) -> None:
    with build_files(evil, where) as (archive, dump):
        for argv in TEXT_COMMANDS:
            if argv[-1] == "--help" or argv[0] == "board":
                continue
            path = dump if argv[0] == "tasks" else archive
            code, out, err = run("--no-cache", "-a", path, "--format", "json", *argv)
            shown = out or err.rpartition("\n{")[2]
            assert out or code, argv
            if out:
                names.check_json(out)
            else:
                names.check_json(err.split("\n")[-2])
            assert shown


@EXAMPLES
@given(evil=EVIL, where=st.sampled_from(WHERE))
def test_reports_of_an_audit(evil: str, where: str) -> None:
    with build_files(evil, where) as (archive, _), build_files(MARK, where) as (plain, _):

        def audit(format_: str, path: str = archive) -> str:
            argv = ("--no-cache", "audit", path, "--fail-on", "none", "--format", format_)
            code, out, err = run(*argv)
            assert code == 0, err
            names.check_lines(err)
            return out

        names.check_json(audit("json"))
        sarif = names.check_json(audit("sarif"))
        for result in sarif["runs"][0]["results"]:
            assert all(c.isprintable() or c == "\n" for c in result["message"]["text"])
        suites = names.check_xml(audit("junit"))
        assert len(suites.findall("testsuite")) >= 2
        names.check_html(audit("html"), audit("html", plain))
        names.check_markdown(audit("markdown"))
        annotations = audit("github")
        names.check_lines(annotations, commands=("::error ", "::warning ", "::notice "))
        for line in annotations.splitlines():
            properties, _, message = line[2:].partition("::")
            kind, _, listed = properties.partition(" ")
            assert kind in ("error", "warning", "notice")
            assert all("=" in entry for entry in listed.split(",")), line
            assert message, line


@EXAMPLES
@given(old=EVIL, new=EVIL, where=st.sampled_from(WHERE))
def test_changes_between_builds(old: str, new: str, where: str) -> None:
    with build_files(old, where) as (before, _), build_files(new, where) as (after, _):
        argv = ("--no-cache", "audit", after, "--diff", before, "--fail-on", "none")
        _, out, err = run(*argv)
        names.check_lines(out + err)
        _, out, err = run(*argv, "--format", "json")
        if out:
            names.check_json(out)


@EXAMPLES
@given(evil=EVIL, where=st.sampled_from(WHERE))
def test_python_that_is_generated(evil: str, where: str) -> None:
    with build_files(evil, where) as (archive, _), tempfile.TemporaryDirectory() as folder:
        code, out, err = run("--no-cache", "stubs", archive, "-o", f"{folder}/made")
        names.check_lines(out + err)
        made = list(Path(folder).rglob("*.py*"))
        assert bool(made) == (code == 0)
        for path in made:
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
                      and isinstance(n.func, ast.Name)}  # fmt: skip
            assert not any(MARK in name for name in called)
            for node in tree.body:  # what is evaluated on import
                assert not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant)


@EXAMPLES
@given(evil=EVIL, where=st.sampled_from(WHERE))
def test_the_shell(evil: str, where: str) -> None:
    code = "[dev, *(getattr(dev, n) for n in dir(dev) if n[0].isupper())]"
    with build_files(evil, where) as (_, dump):
        _, out, err = run("--no-cache", "-a", dump, "shell", "-c", code)
        names.check_lines(out + err, may_wrap=where == "doc")
