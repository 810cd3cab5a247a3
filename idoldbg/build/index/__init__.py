"""A persistent index of results about a build, so that asking again needs no ELF file.

What a build's files say depends on the build alone. So whole results are kept: the archive's
tables, what each task serves, a resolved operation, hiffy's layout, where the task table is, the
types that a name fits. A file of them belongs to one archive (its SHA-256) and to one version of
the code that found them.

Why results, and not everything that is in the debug information: reading all types of an archive
takes five to ten times as long as one call needs from it, and what is never asked for would be
written, kept and checksummed for nothing. Why not each look-up: a second call would make all of
them again, to come to the same result. `list` and `audit` ask about every operation, so one run of
them makes each later call start warm. Apart from the flashed bytes a file holds tens of kilobytes,
whatever the size of the image.

`fields` says how values are written, `file` how a file is laid out; `Results` is what programs use.
Kinds of results are declared beside what finds them: `idoldbg.build.kept`,
`idoldbg.build.load.recorded_archive`. Nothing here opens files: see `idoldbg.build.cache`. Index
files are not trusted: all that is wrong with one ends in reading the ELF files instead.
"""

from __future__ import annotations

from idoldbg.build.index.fields import Field, IndexDamaged
from idoldbg.build.index.file import FINGERPRINT_SIZE, IndexReader, IndexWriter
from idoldbg.build.index.results import Kind, Results

__all__ = [
    "FINGERPRINT_SIZE",
    "Field",
    "IndexDamaged",
    "IndexReader",
    "IndexWriter",
    "Kind",
    "Results",
]
