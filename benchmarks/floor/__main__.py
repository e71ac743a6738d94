"""Measures one part after the other and prints the table of what is wanted, what was and what is; about half an hour.

`--write` puts the table into docs/performance.md and draws it beside; what was measured before, and not now, stays."""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.figures import machine
from benchmarks.floor.drawing import picture
from benchmarks.floor.figures import BY_KEY, short, table
from benchmarks.floor.parts import PARTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, KEPT, PICTURE = DOCS / "performance.md", Path(__file__).with_name("measured.json"), DOCS / "images" / "floor.svg"
DRAWN = "![How many times off its goal each figure is](images/floor.svg)"
BEGIN, END = "<!-- floor: begin -->", "<!-- floor: end -->"


def main() -> None:
    """Parts would disturb each other: they take turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="all unless given")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md and docs/images/floor.svg")
    args = parser.parse_args()
    if unknown := sorted(set(args.parts) - set(PARTS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    computer, measured = machine(), dict[str, float]()
    for name in args.parts or PARTS:
        print(f"measuring {name} …", flush=True)
        with tempfile.TemporaryDirectory(prefix="driftd-floor-") as folder:
            found = PARTS[name](Path(folder))
        measured |= found
        print(
            "  " + ", ".join(f"{BY_KEY[key].name}: {short(value)} {BY_KEY[key].unit}" for key, value in found.items())
        )
    print("\n".join(table(measured)))
    if args.write:
        write(measured)
    print(json.dumps({"machine": computer, "figures": measured}))


def write(measured: dict[str, float]) -> None:
    """The table and the picture of all that is known."""
    known = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    known |= measured
    KEPT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + "\n".join([BEGIN, *table(known), "", DRAWN, END]) + after, "utf-8")
    PICTURE.write_text(picture(known), "utf-8")


if __name__ == "__main__":
    main()
