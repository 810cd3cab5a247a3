"""Process that `start_board` runs in the background, with `python -m`."""

from __future__ import annotations

import json
import sys

from idoldbg.target.emulated.server.process import BoardRequest, detach

if __name__ == "__main__":
    facts, answer = sys.argv[1:]
    detach(BoardRequest(**json.loads(facts)), int(answer))
