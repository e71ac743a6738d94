"""Runs a notebook, or the pieces of Python of a page in Markdown, in a kernel of Jupyter, in the working folder.

python in_kernel.py FILE [OUT]     # the results of the cells as JSON; the notebook with its outputs in OUT"""

import json
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PIECES = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def notebook(source: Path) -> nbformat.NotebookNode:
    """A notebook without outputs."""
    if source.suffix == ".ipynb":
        return nbformat.read(source, as_version=4)
    text, cells, end = source.read_text("utf-8"), [], 0
    for piece in PIECES.finditer(text):
        cells += [new_markdown_cell(text[end : piece.start()].strip()), new_code_cell(piece[1].rstrip())]
        end = piece.end()
    return new_notebook(cells=cells)


def main(source: Path, target: Path | None = None) -> None:
    """Run it and print what the cells gave: the last result of each, or its printed text."""
    made = notebook(source)
    NotebookClient(made, timeout=240, kernel_name="python3").execute()
    if target is not None:
        nbformat.write(made, target)
    shown = []
    for cell in made.cells:
        if cell.cell_type == "code":
            results = [one.data for one in cell.outputs if "data" in one]
            streams = [one.text for one in cell.outputs if one.output_type == "stream"]
            shown.append(dict(results[-1]) if results else {"text": "".join(streams)})
    print(json.dumps(shown))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
