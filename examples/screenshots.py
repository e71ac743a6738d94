"""`make screenshots`: plays the example months and the first days of the shop in a folder of its own, and takes the
README's pictures of the status page: docs/images/VIEW-light.webp and VIEW-dark.webp."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import demo
import demo_recommender
from chromium import Browser, has_browser
from daemon_harness import Daemon
from helpers import wait_for
from playing import CONFIG, ROOT, Quiet, place, say

IMAGES = ROOT / "docs" / "images"
SCHEMES, WIDTH, HEIGHT = ("light", "dark"), 1280, 800
PLAYED = "played"
MOST_BYTES = 150_000
MONTH_S = 600.0
"""What a month may take at most."""
USUAL, ACTS = 'listen = "127.0.0.1:8080"', "page_acts = true"
AS_USUAL = """((port) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replace(`:${port}`, ":8080");
})"""
"""The address in the pictures is the example's, not that of the free port that it is played on."""


class Example(Daemon):
    """The example's configuration in another folder and on a free port; whoever is on the machine may act."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, service="")
        text = CONFIG.read_text("utf-8")
        assert text.count(USUAL) == 1
        self.config.write_text(text.replace(USUAL, f'listen = "127.0.0.1:{self.port}"\n{ACTS}'), "utf-8")

    def ask(self, *command: str) -> Any:
        """What a command reports."""
        return self.json(*command)


def begin(daemon: Example, work: Path) -> None:
    """Start it, and play unless that was done."""
    if (daemon.folder / PLAYED).exists():
        daemon.start()
        daemon.wait("model_swapped", model=demo.MODEL)
    else:
        play(daemon, work)
        (daemon.folder / PLAYED).touch()


def play(daemon: Example, work: Path) -> None:
    """All of the year's months, each when driftd is done with the one before, and the shop's first days."""
    flights, visits = daemon.data / demo.MODEL, daemon.data / demo_recommender.MODEL
    months, days = demo.months(), demo_recommender.Days(work)
    for month in months[: demo.FIRST_MONTHS]:
        place(month, flights)
    for day in range(demo_recommender.FIRST_DAYS):
        days.place(day, visits)
    daemon.start()
    for model in (demo.MODEL, demo_recommender.MODEL):
        daemon.wait("model_swapped", model=model, timeout_s=MONTH_S)
    for at, month in enumerate(months[demo.FIRST_MONTHS :]):
        say(f"{month.stem} of {demo.MODEL}, and a day of {demo_recommender.MODEL}")
        place(month, flights)
        days.place(demo_recommender.FIRST_DAYS + at, visits)
        wait_for(Quiet(daemon, demo.MODEL, month.name, demo.QUIET_S), MONTH_S, interval_s=1.0)  # type: ignore[arg-type]


def views(daemon: Example) -> dict[str, str]:
    """The main views by name, with their paths: the cycle is the newest that promoted something."""
    cycles = [
        one for one in daemon.json("history", demo.MODEL) if one["kind"] == "cycle" and one["state"] == "promoted"
    ]
    return {"overview": "", "model": f"m/{demo.MODEL}", "cycle": f"m/{demo.MODEL}/cycle/{cycles[-1]['cycle']}"}


def picture(daemon: Example) -> None:
    """Each view in the light and in the dark."""
    IMAGES.mkdir(exist_ok=True)
    with Browser() as browser:
        browser.zone("UTC")
        browser.size(WIDTH, HEIGHT)
        for name, path in views(daemon).items():
            browser.open(f"{daemon.url}/{path}")
            wait_for(
                lambda: browser.is_so("document.querySelector('#live').textContent !== '' || !main.matches('[hx-get]')")
            )
            for scheme in SCHEMES:
                browser.scheme(scheme)
                browser.run(f"{AS_USUAL}({daemon.port})")
                file = IMAGES / f"{name}-{scheme}.webp"
                browser.picture(file)
                assert file.stat().st_size <= MOST_BYTES, f"{file} has {file.stat().st_size:,} bytes"
                say(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="folder", type=Path, help="play there, and only look where it was played already")
    given: Path | None = parser.parse_args().folder
    if not has_browser():
        print("the pictures need Chromium: apt install chromium", file=sys.stderr)
        return 2
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
