"""What a person sees of a page: where words stand, what stands beyond the edge, and what axe-core finds wrong."""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, has_browser

IN_BROWSER = [
    pytest.mark.long,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not has_browser(), reason="needs Chromium: apt install chromium"),
]
WHERE = """((words, width, height) => {
  const pieces = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let text = "";
  for (let node; (node = walker.nextNode());) {
    if (!node.parentElement.checkVisibility()) continue;
    for (let at = 0; at < node.data.length; at++) {
      const sign = /\\s/.test(node.data[at]) ? " " : node.data[at];
      if (sign === " " && text.endsWith(" ")) continue;
      text += sign;
      pieces.push([node, at]);
    }
  }
  const first = text.indexOf(words);
  if (first < 0) return "not to be read";
  const range = document.createRange(), [begin, from] = pieces[first], [end, to] = pieces[first + words.length - 1];
  range.setStart(begin, from);
  range.setEnd(end, to + 1);
  for (const box of range.getClientRects()) {
    if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height)
      return `at ${Math.round(box.left)}, ${Math.round(box.bottom)}: beyond ${width} × ${height}`;
    const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (box.width && !(hit && (hit.contains(begin) || hit.contains(end) || range.intersectsNode(hit))))
      return `covered by ${hit && hit.outerHTML.slice(0, 200)}`;
  }
  return "seen";
})"""
AXE = """axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.map(one =>
  `${one.id}: ${one.help}: ` + one.nodes.slice(0, 4).map(node => `${node.html.slice(0, 200)} ${
    node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)}`).join(" | ")))"""
WIDER = "document.scrollingElement.scrollWidth - innerWidth"


def where(browser: Browser, words: str, width: int = 1280, height: int = 800) -> str:
    """ "seen" where the words stand whole, uncovered and within the first screen; else what is the matter."""
    return str(browser.run(f"{WHERE}({json.dumps(words)}, {width}, {height})"))


def violations(browser: Browser) -> list[str]:
    """What axe-core finds wrong with the page that is there, all of its rules."""
    browser.run(axe() + "; true")
    found: list[str] = browser.run(AXE, waits=True)
    return found


def wider_px(browser: Browser) -> int:
    """By how much the page is wider than its window: one must scroll sideways then."""
    return max(0, int(browser.run(WIDER)))


@cache
def axe() -> str:
    """The script that `make browser` installs beside the environment's packages."""
    found: Any = next(Path(sys.prefix, "axe").rglob("axe.min.js"), None)
    if found is None:
        pytest.skip("needs axe-core: `make browser` installs it")
    return str(found.read_text("utf-8"))
