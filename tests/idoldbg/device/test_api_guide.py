"""Every block of docs/api.md runs, in order and in one namespace, as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from idoldbg.cli import run

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```python( stubs)?\n(.*?)^```$", GUIDE, re.S | re.M)


def test_the_guide_runs() -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    blocks = [text for kind, text in BLOCKS if not kind]
    assert len(blocks) >= 8
    try:
        for text in blocks:
            exec(compile(text, "docs/api.md", "exec"), names)
    finally:
        names["dev"].close()


def guide_of_stubs() -> str:
    """Return the block for which stubs are needed; test_stubs.py checks its types."""
    (text,) = (text for kind, text in BLOCKS if kind)
    return text


def test_the_block_with_stubs_runs(tmp_path: Path) -> None:
    (tmp_path / "guide.py").write_text(guide_of_stubs())
    assert run(["stubs", "-o", str(tmp_path / "hubris_stubs")]) == 0
    done = subprocess.run(
        [sys.executable, "guide.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "off\n"), done.stderr
