"""Answers to an editor about an Idol text, whole or half-typed, as plain data.

Needs nothing but Python. `idol.lsp` speaks the language server protocol in front of it.
"""
