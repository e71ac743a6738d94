"""What a server of pages gives out beside them: one stylesheet, an icon, and two scripts, which lie in static/."""

import hashlib
from functools import lru_cache
from importlib.resources import files

from drift.report.site_style import SITE_STYLE
from drift.report.style import STYLE

FOLDER = files("drift.report") / "static"
HTMX = "htmx-4.0.1.min.js"
"""As its authors publish it, unchanged; its licence (0BSD) lies beside it."""
SCRIPTS = (HTMX, "page.js")
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#2456a6"/>'
    '<path d="M3 9.5c2-5 4-5 5-1.5s3 3 5-1.5" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)
TEXTS = {"page.css": ("text/css; charset=utf-8", STYLE + SITE_STYLE), "icon.svg": ("image/svg+xml", ICON)}


@lru_cache
def static_file(name: str) -> tuple[str, bytes] | None:
    """The type and the bytes of a file by its name below /static/; None where there is none.

    >>> static_file("icon.svg")[0], static_file("../site.py")
    ('image/svg+xml', None)
    """
    if name in SCRIPTS:
        return "text/javascript; charset=utf-8", (FOLDER / name).read_bytes()
    if name not in TEXTS:
        return None
    kind, text = TEXTS[name]
    return kind, text.encode()


@lru_cache
def address(name: str) -> str:
    """Where a page finds a file: another address for other bytes, so that a browser never keeps those of an older
    driftd."""
    found = static_file(name)
    assert found is not None
    return f"/static/{name}?v={hashlib.sha256(found[1]).hexdigest()[:8]}"
