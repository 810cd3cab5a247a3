"""A persistent index of what is asked about a build, so that asking again needs no ELF file.

What a build's debug information says is a function of the build alone. So the answers are kept:
each look-up of a name in an object, each pointer that was followed, the tasks, the flashed bytes. A
file of them belongs to one archive (its SHA-256) and to one version of the code that reads
archives.

Why answers, and not everything that is in the debug information: reading all types of an archive
takes five to ten times as long as one call needs from it, and what is never asked for would be
written, kept and check-summed for nothing. With answers, writing costs the first call 1 % (3 to 7
ms where Python starts in 40), after its reply is printed; `list` and `audit` ask about every
operation, so one run of them makes each later call start warm. What a file holds besides the
flashed bytes are tens of kilobytes, whatever the size of the image.

`fields` says what an answer may be, `file` how a file is laid out, read and written; `Answers` is
what programs use, `RecordedObject` the object whose look-ups go through it. Nothing here opens
files: see `idoldbg.load.cache`. Index files are not trusted: all that is wrong with one ends in
reading the ELF files instead.
"""

from __future__ import annotations

from idoldbg.index.answers import QUESTIONS, Answers
from idoldbg.index.fields import Field, IndexDamaged
from idoldbg.index.file import FINGERPRINT_SIZE, IndexReader, IndexWriter
from idoldbg.index.recorded import RecordedObject

__all__ = [
    "FINGERPRINT_SIZE",
    "QUESTIONS",
    "Answers",
    "Field",
    "IndexDamaged",
    "IndexReader",
    "IndexWriter",
    "RecordedObject",
]
