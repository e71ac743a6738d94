"""The frame of served pages: navigation and sections around one stylesheet, which the same server gives out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drift.report.page import filled
from drift.report.static_files import SCRIPTS, address

FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – driftd</title>
<link rel="stylesheet" href="{{ style }}">
<link rel="icon" href="{{ icon }}">
<meta name="htmx-config" content="{{ settings }}">
{% for script in scripts %}
<script src="{{ script }}" defer></script>
{% endfor %}
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header><strong><a href="/">driftd</a></strong><nav aria-label="Views">
{% for name, href in views %}
<a href="{{ href }}"{% if name == view %} aria-current="page"{% endif %}>{{ name }}</a>
{% endfor %}
</nav><span id="remark">{{ remark }}</span><span id="live" role="status"></span></header>
<main id="main"{% if follows %} {{ following }}{% endif %}>
<h1>{{ heading }}</h1>
{% if lede %}
<p class="lede soft">{{ lede }}</p>
{% endif %}
{{ content }}
</main>
<footer>Times are in <span id="zone">UTC</span>.</footer>
</body>
</html>
"""
FOLLOWING = Markup(
    'hx-get="" hx-trigger="follow" hx-select="#main" hx-swap="innerMorph strip:true" hx-select-oob="#remark:outerMorph"'
)
"""How a page follows what happens: page.js says when, htmx asks for the same address again and changes what differs."""
SETTINGS = json.dumps({
    "history": False, "includeIndicatorCSS": False, "noSwap": [204, 304, "4xx", "5xx"], "defaultTimeout": 30_000,
    "morphIgnore": ["data-htmx-powered", "open", "style"],
})  # fmt: skip
"""Of htmx: nothing that the policy of pages refuses; answers that are no page change nothing; what a reader opened
stays open."""
VIEWS = (("Models", "/"), ("Log", "/log"), ("Doctor", "/doctor"), ("Access", "/login"))


@dataclass(frozen=True)
class ServedPage:
    """A page with its navigation: `view` is the one of VIEWS that it belongs to, `title` the answer in one sentence,
    `lede` what follows it, `remark` stands at the right of the navigation, and `content` below all. One that `follows`
    is kept up to date while it is open, where scripts run."""

    title: str
    content: Markup
    lede: Markup | str = ""
    remark: Markup | str = ""
    view: str = "Models"
    heading: Markup | str = ""
    views: Sequence[tuple[str, str]] = VIEWS
    follows: bool = False

    def html(self) -> str:
        """The whole page; what UTF-8 cannot write becomes "?"."""
        values = self.__dict__ | {"heading": self.heading or self.title}
        files = {
            "style": address("page.css"),
            "icon": address("icon.svg"),
            "scripts": [address(one) for one in SCRIPTS],
        }
        told = filled(FRAME, settings=SETTINGS, following=FOLLOWING, **files, **values)
        return told.encode("utf-8", "replace").decode()
