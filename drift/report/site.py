"""The frame of served pages: navigation and sections around one stylesheet, which the same server gives out."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drift.report.page import filled
from drift.report.site_style import SITE_STYLE
from drift.report.style import STYLE

STYLESHEET = STYLE + SITE_STYLE
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#2456a6"/>'
    '<path d="M3 9.5c2-5 4-5 5-1.5s3 3 5-1.5" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)
STATIC = {"page.css": ("text/css; charset=utf-8", STYLESHEET), "icon.svg": ("image/svg+xml", ICON)}
"""What a server gives out below /static/: the type and the text by name."""

FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – driftd</title>
<link rel="stylesheet" href="/static/page.css">
<link rel="icon" href="/static/icon.svg">
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header><strong><a href="/">driftd</a></strong><nav aria-label="Views">
{% for name, href in views %}
<a href="{{ href }}"{% if name == view %} aria-current="page"{% endif %}>{{ name }}</a>
{% endfor %}
</nav><span>{{ remark }}</span></header>
<main id="main">
<h1>{{ heading }}</h1>
{% if lede %}
<p class="lede soft">{{ lede }}</p>
{% endif %}
{{ content }}
</main>
</body>
</html>
"""
VIEWS = (("Models", "/"), ("Log", "/log"), ("Doctor", "/doctor"))


@dataclass(frozen=True)
class ServedPage:
    """A page with its navigation: `view` is the one of VIEWS that it belongs to, `title` the answer in one sentence,
    `lede` what follows it, `remark` stands at the right of the navigation, and `content` below all."""

    title: str
    content: Markup
    lede: Markup | str = ""
    remark: Markup | str = ""
    view: str = "Models"
    heading: Markup | str = ""
    views: Sequence[tuple[str, str]] = VIEWS

    def html(self) -> str:
        """The whole page; what UTF-8 cannot write becomes "?"."""
        values = self.__dict__ | {"heading": self.heading or self.title}
        return filled(FRAME, **values).encode("utf-8", "replace").decode()
