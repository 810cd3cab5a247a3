"""`idol lsp` from a shell."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments: str, block: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `idol lsp` with nothing to read; `block` is a package to hide."""
    code = "import sys\n"
    if block:
        code += f"sys.modules[{block!r}] = None\n"
    code += "from idol.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "lsp", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("package", ["pygls", "lsprotocol"])
def test_without_the_extra_it_says_how_to_get_it(package: str) -> None:
    done = run(block=package)
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr == (
        f"error: `idol lsp` needs {package}, which is not installed: pip install 'idoldbg[lsp]'\n"
    )


def test_help_does_not_need_the_extra() -> None:
    done = run("--help", block="pygls")
    assert done.returncode == 0
    assert "idoldbg[lsp]" in done.stdout


def test_ends_when_the_editor_is_gone() -> None:
    pytest.importorskip("pygls")
    done = run("--stdio")
    assert (done.returncode, done.stdout) == (0, "")


def test_refuses_what_it_does_not_know() -> None:
    done = run("--tcp")
    assert done.returncode == 2 and "--stdio" not in done.stdout
