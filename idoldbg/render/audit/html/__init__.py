"""An audit as one HTML page that needs nothing else: no network, no files beside it.

`page` puts it together of `overview`, `findings`, `matrix` and `drawings`; `style.css` and
`page.js` go into it. Everything of the build is escaped by `render.element`, and a content security
policy lets nothing run but the one script of the page.
"""

from idoldbg.render.audit.html.page import to_html

__all__ = ["to_html"]
