"""`make screenshots`: plays the example months and the first days of the shop in a folder of its own, and takes the
README's pictures of the status page: docs/images/VIEW-light.webp and VIEW-dark.webp; and those of
examples/notebook.ipynb, which `--only-notebook` takes alone."""

import argparse
import html
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import Browser, has_browser
from daemon_harness import Daemon
from helpers import wait_for

from daemon.tools.demo import flights_story, shop_story
from daemon.tools.demo.playing import Quiet, place, say

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
NOTEBOOK, NOTEBOOK_HEIGHT = ROOT / "examples" / "notebook.ipynb", 900
CELL = """<!DOCTYPE html><meta charset="utf-8"><style>
:root {{ color-scheme: light dark; }} body {{ margin: 1rem; font: 15px/1.5 system-ui; display: grid;
  grid-template-columns: 4rem minmax(0, 1fr); gap: .6rem; }}
pre {{ margin: 0; padding: .5rem .75rem; border: 1px solid #8886; font: 14px/1.45 monospace; }}
.prompt {{ color: #56c; font: 14px/2.2 monospace; }}
</style><b class="prompt">In [1]:</b><pre>{code}</pre><b class="prompt">Out[1]:</b><div>{shown}</div>"""
SCHEMES, WIDTH, HEIGHT = ("light", "dark"), 1280, 800
PLAYED, LIVE = "played", " live "
MOST_BYTES = 150_000
MONTH_S = 600.0
"""What a month may take at most."""
USUAL, ACTS = 'listen = "127.0.0.1:8080"', "page_acts = true"
COMPARISON = """[...document.querySelectorAll(".story h2")].find(one => one.textContent === "The comparison")
  ?.scrollIntoView({block: "center", behavior: "instant"})"""
"""Of a cycle the picture is that of what was compared."""
AS_USUAL = """((port) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replace(`:${port}`, ":8080");
})"""
"""The address in the pictures is the example's, not that of the free port that it is played on."""


class Example(Daemon):
    """The example's configuration in another folder and on a free port; whoever is on the machine may act."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, service="")
        text = (ROOT / "config.toml").read_text("utf-8")
        assert text.count(USUAL) == 1
        self.config.write_text(text.replace(USUAL, f'listen = "127.0.0.1:{self.port}"\n{ACTS}'), "utf-8")

    def ask(self, *command: str) -> Any:
        """What a command reports."""
        return self.json(*command)


def begin(daemon: Example, work: Path) -> None:
    """Start it, and play unless that was done; until nothing is under way."""
    if (daemon.folder / PLAYED).exists():
        daemon.start()
        daemon.wait("model_swapped", model=flights_story.MODEL)
    else:
        play(daemon, work)
        (daemon.folder / PLAYED).touch()
    wait_for(lambda: all(one["cycle"] is None for one in daemon.json("status")["models"].values()), MONTH_S, 1.0)


def play(daemon: Example, work: Path) -> None:
    """All of the year's months, each when driftd is done with the one before, and the shop's first days."""
    flights, visits = daemon.data / flights_story.MODEL, daemon.data / shop_story.MODEL
    months, days = flights_story.months(), shop_story.Days(work)
    for month in months[: flights_story.FIRST_MONTHS]:
        place(month, flights)
    for day in range(shop_story.FIRST_DAYS):
        days.place(day, visits)
    daemon.start()
    for model in (flights_story.MODEL, shop_story.MODEL):
        daemon.wait("model_swapped", model=model, timeout_s=MONTH_S)
    for at, month in enumerate(months[flights_story.FIRST_MONTHS :]):
        say(f"{month.stem} of {flights_story.MODEL}, and a day of {shop_story.MODEL}")
        place(month, flights)
        days.place(shop_story.FIRST_DAYS + at, visits)
        wait_for(Quiet(daemon, flights_story.MODEL, month.name, flights_story.QUIET_S), MONTH_S, interval_s=1.0)  # type: ignore[arg-type]


def views(daemon: Example) -> dict[str, str]:
    """The main views by name, with their paths: the cycle is the newest that promoted something."""
    model = flights_story.MODEL
    history = daemon.json("history", model)
    promoted = [one for one in history if one["kind"] == "cycle" and one["state"] == "promoted"]
    return {"overview": "", "model": f"m/{model}", "cycle": f"m/{model}/cycle/{promoted[-1]['cycle']}"}


def picture(daemon: Example) -> None:
    """Each view in the light and in the dark."""
    IMAGES.mkdir(exist_ok=True)
    with Browser() as browser:
        browser.zone("UTC")
        for name, path in views(daemon).items():
            browser.size(WIDTH, HEIGHT)
            browser.open(f"{daemon.url}/{path}")
            wait_for(lambda: browser.says(LIVE))
            assert not browser.says("cannot be read"), f"played by another driftd? {browser.text()}"
            browser.run(COMPARISON)
            browser.size(WIDTH, min(HEIGHT, browser.run("document.body.offsetHeight")))
            for scheme in SCHEMES:
                browser.scheme(scheme)
                file = IMAGES / f"{name}-{scheme}.webp"
                wait_for(lambda: taken(browser, file, daemon.port))  # noqa: B023 (it is called at once)
                assert file.stat().st_size <= MOST_BYTES, f"{file} has {file.stat().st_size:,} bytes"
                say(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def notebook_picture() -> None:
    """The first cell of the notebook and what it shows, as a notebook lays them out."""
    cell = next(one for one in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if one["cell_type"] == "code")
    code, shown = "".join(cell["source"]), "".join(cell["outputs"][-1]["data"]["text/html"])
    with tempfile.TemporaryDirectory() as name, Browser() as browser:
        page = Path(name) / "notebook.html"
        page.write_text(CELL.format(code=html.escape(code), shown=shown), "utf-8")
        browser.size(WIDTH, NOTEBOOK_HEIGHT)
        browser.open(page.as_uri())
        for scheme in SCHEMES:
            browser.scheme(scheme)
            file = IMAGES / f"notebook-{scheme}.webp"
            browser.picture(file)
            assert file.stat().st_size <= MOST_BYTES, f"{file} has {file.stat().st_size:,} bytes"
            say(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def taken(browser: Browser, file: Path, port: int) -> bool:
    """Take a picture; whether the page did not renew itself meanwhile, with its own port."""
    browser.run(f"{AS_USUAL}({port})")
    browser.picture(file)
    return not browser.says(f":{port}")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="folder", type=Path, help="play there, and only look where it was played already")
    parser.add_argument("--only-notebook", action="store_true", help="take the notebook's picture alone")
    asked = parser.parse_args()
    given: Path | None = asked.folder
    if not has_browser():
        print("the pictures need Chromium: apt install chromium", file=sys.stderr)
        return 2
    notebook_picture()
    if asked.only_notebook:
        return 0
    with tempfile.TemporaryDirectory(prefix="driftd-screenshots-") as name:
        folder = (given or Path(name)).resolve()
        folder.mkdir(exist_ok=True)
        daemon = Example(folder)
        try:
            begin(daemon, folder / "shop")
            picture(daemon)
        finally:
            daemon.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
