"""Questions to a program: each module reads what it needs and returns a frozen result.

Nothing here prints; `idoldbg.render` makes text and JSON of the results.
"""
