"""Answers about real dumps, compared with the expected outputs of Humility's own tests.

`IDOLDBG_REAL` names a folder like `humility-bin/tests/cmd` of a checkout of Humility: `cores/`,
`archives/`, and `TEST/TEST.OBJECT.stdout` for each test and object. One module a command parses
that output into *facts*, makes the same facts of our answer, and compares (`peer.py`).
"""
