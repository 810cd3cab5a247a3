"""gdb on Hubris: tasks as threads, all symbol files of a build, core dumps that gdb opens.

`idoldbg.gdb.rtos` is loaded by pyOCD's gdb server and needs no more than a build; the other modules
are those of `idoldbg gdb`. Nothing that an archive says becomes a gdb command: names go through
`idoldbg.gdb.symbols`, and the files that gdb opens hold no scripts.
"""
