"""A reader of pages that fails on tags closed out of turn, and a name that tries to break out."""

from html.parser import HTMLParser

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;"
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is closed out of turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = self.script_text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.script_text += data
        elif "style" not in self.open:
            self.text += data

    @property
    def own_scripts(self) -> bool:
        """Whether every script is a file that the same server gives out: none stands in the page, none is from
        elsewhere."""
        sources = [attributes.get("src") or "" for attributes in self.all("script")]
        return all(one.startswith("/static/") for one in sources) and not self.script_text.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
