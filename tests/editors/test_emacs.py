"""The mode for Emacs, in Emacs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import need

ROOT = Path(__file__).parent.parent.parent
MODE = ROOT / "editors" / "emacs" / "idol-mode.el"
SAMPLES = ["tests/editors/light.idol", "tests/idol/everything.idol", "tests/idol/styles.idol"]


def emacs(*arguments: str) -> str:
    """Run Emacs without anybody's settings; return what it prints."""
    done = subprocess.run(
        [need("emacs", of="emacs-nox"), "--batch", "-Q", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compiles_without_a_warning(tmp_path: Path) -> None:
    copy = tmp_path / "idol-mode.el"
    copy.write_text(MODE.read_text())
    emacs("--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile", str(copy))
    assert (tmp_path / "idol-mode.elc").exists()


@pytest.mark.parametrize("sample", SAMPLES)
def test_indenting_what_is_formatted_changes_nothing(sample: str, tmp_path: Path) -> None:
    formatted = (ROOT / sample).read_text()
    path = tmp_path / "x.idol"
    path.write_text("\n".join(line.lstrip() for line in formatted.split("\n")))
    form = "(indent-region (point-min) (point-max))"
    emacs("-l", str(MODE), str(path), "--eval", form, "--eval", "(save-buffer)")
    assert path.read_text() == formatted


def test_faces() -> None:
    faces = {
        "Interface": "font-lock-keyword-face",
        "name:": "font-lock-variable-name-face",
        '"Light"': "font-lock-string-face",
        '"set"': "font-lock-function-name-face",
        "FromPrimitive": "font-lock-builtin-face",
        "Zerocopy": "font-lock-constant-face",
        "still": "font-lock-comment-face",
        "no string": "font-lock-comment-face",
        "implicit_some": "font-lock-preprocessor-face",
    }
    forms = ["(font-lock-ensure)"]
    for word in faces:
        quoted = word.replace('"', '\\"')
        forms.append(
            f'(progn (goto-char (point-min)) (search-forward "{quoted}")'
            ' (princ (format "%s\\n" (get-text-property (match-beginning 0) (quote face)))))'
        )
    sample = ROOT / "tests/editors/light.idol"
    arguments = [part for form in forms for part in ("--eval", form)]
    shown = emacs("-l", str(MODE), str(sample), *arguments)
    assert dict(zip(faces, shown.split("\n"), strict=False)) == faces


def test_eglot_knows_the_server() -> None:
    form = (
        "(progn (defvar eglot-server-programs nil) (provide 'eglot)"
        " (princ (funcall (cdr (assq 'idol-mode eglot-server-programs)))))"
    )
    assert emacs("-l", str(MODE), "--eval", form) == "(idol lsp)"
