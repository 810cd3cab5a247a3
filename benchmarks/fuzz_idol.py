"""Damage interfaces many times and do everything with them that the commands do.

    python benchmarks/fuzz_idol.py [COUNT] [FOLDER…]

COUNT is 100,000 if not given. The `.idol` files in the FOLDERs, such as a Hubris checkout, are
damaged besides our own. Prints how the texts ended and the longest times; a traceback, or a text
that takes more than a second, ends it with the text.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import idol  # noqa: E402  # the path comes first
from tests.idol import mutate  # noqa: E402
from tests.idol.test_fuzz import TEXTS, examine  # noqa: E402

LIMIT_S = 1.0


def main() -> int:
    """Run and report; 1 if a text was slow."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    sources = list(TEXTS)
    for folder in sys.argv[2:]:
        paths = sorted(p for p in Path(folder).rglob("*.id*") if p.suffix in (".idol", ".idl"))
        sources += [path.read_text() for path in paths]
    before = idol.parse(sources[0])
    ends: Counter[str] = Counter()
    times: list[tuple[float, int, int]] = []
    for number in range(count):
        text = mutate.mutate(random.Random(f"fuzz {number}"), sources)
        started = time.process_time()
        try:
            ends[examine(text, before)] += 1
        except BaseException:
            Path("fuzz-failure.idol").write_text(text)
            print(f"text {number} failed; it is in fuzz-failure.idol", file=sys.stderr)
            raise
        times.append((time.process_time() - started, number, len(text)))
    times.sort(reverse=True)
    print(f"{count} texts from {len(sources)}, {sum(t for t, _, _ in times):.0f} s of CPU")
    for end, total in ends.most_common():
        print(f"  {end:13} {total}")
    for seconds, number, size in times[:3]:
        print(f"  slowest: {seconds * 1000:.0f} ms for text {number} of {size} characters")
    return 1 if times[0][0] > LIMIT_S else 0


if __name__ == "__main__":
    sys.exit(main())
