"""Interfaces as documentation: one page each, as Markdown or as HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idol.document.html import html_index, html_page
from idol.document.markdown import markdown_index, markdown_page
from idol.document.page import IndexEntry, Page, describe, describe_entry
from idol.hints import Final
from idol.records import dataclass

__all__ = ["FORMATS", "Format", "IndexEntry", "Page", "describe", "describe_entry"]


@dataclass(frozen=True, slots=True)
class Format:
    """A form of documentation, with how its files end."""

    suffix: str
    render_page: Callable[[Page], str]
    render_index: Callable[[tuple[IndexEntry, ...]], str]


#: The choices of `idol doc --format`.
FORMATS: Final[Mapping[str, Format]] = {
    "markdown": Format(".md", markdown_page, markdown_index),
    "html": Format(".html", html_page, html_index),
}
