"""The page as a whole."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from idoldbg.audit.verdict import Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.audit.html.drawings import TypeIndex, types_section
from idoldbg.render.audit.html.findings import findings_section
from idoldbg.render.audit.html.matrix import matrix_section
from idoldbg.render.audit.html.overview import overview_section, page_head
from idoldbg.render.element import Html, el, join

__all__ = ["to_html"]


def to_html(verdict: Verdict, files: Files) -> str:
    """Write an audit."""
    script, style = _resource("page.js"), _resource("style.css")
    types = TypeIndex(verdict.audit)
    audit = verdict.audit
    title = f"Idol audit: {audit.name or audit.archive} {audit.image_name}".strip()
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        Html(_policy_element(script)),
        el("title", title),
        Html(f"<style>\n{style}</style>"),
    )
    body = el(
        "body",
        el("a", "Skip to the operations", class_="skip", href="#operations"),
        page_head(verdict),
        el(
            "main",
            overview_section(verdict),
            findings_section(verdict, files, types),
            matrix_section(verdict, files, types),
            types_section(types),
        ),
        _footer(verdict),
        Html(f"<script>\n{script}</script>"),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy_element(script: str) -> str:
    """Allow this page's script by its hash, and styles; nothing is ever fetched."""
    digest = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    return str(el("meta", http_equiv="Content-Security-Policy", content=policy))


def _footer(verdict: Verdict) -> Html:
    signs = [
        ("✓", "ok", "as it should be"),
        ("i", "note", "note"),
        ("!", "warning", "warning"),
        ("✗", "error", "error"),
        ("·", "none", "the operation has no such part"),
        ("?", "unknown", "not known"),
    ]
    legend = [
        el("span", el("span", sign, class_=f"sign {kind}", aria_hidden="true"), f" {label}")
        for sign, kind, label in signs
    ]
    remarks = [el("li", remark) for remark in verdict.remarks]
    return el(
        "footer",
        el("p", join(legend), class_="legend"),
        el("ul", *remarks, class_="remarks") if remarks else "",
        el(
            "p",
            "Rules: ",
            el("code", "idoldbg audit --explain RULE"),
            ". Keys: ",
            el("kbd", "/"),
            " search, ",
            el("kbd", "Esc"),
            " clear.",
            class_="soft",
        ),
    )
