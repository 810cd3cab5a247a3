"""Interfaces as documentation: Markdown, HTML."""
