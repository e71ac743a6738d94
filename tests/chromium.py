"""A real browser for tests: Debian's Chromium, one tab, driven as a person does: by what is to be seen and the keys."""

import base64
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from devtools import DevTools, Event, Refused
from helpers import wait_for

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-extensions", "--hide-scrollbars", "--remote-debugging-pipe", "--window-size=1280,800",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
HERE = "`${performance.timeOrigin} ${location.href}`"
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " "), "Escape": (27, "")}
PLACE = """((words, within) => {
  const said = element => (element.innerText || "").replace(/\\s+/g, " ").trim();
  const found = [...document.querySelectorAll(`:is(${within}) :is(a, button, summary)`)]
    .filter(element => said(element) === words && element.checkVisibility());
  if (!found.length) return "not to be seen";
  found[0].scrollIntoView({block: "center", behavior: "instant"});
  const box = found[0].getClientRects()[0], x = box.x + box.width / 2, y = box.y + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  return found[0].contains(hit) ? [x, y] : `covered by ${hit && hit.outerHTML.slice(0, 200)}`;
})"""
"""Where somebody clicks on what says so; a sentence where nobody can."""


@dataclass
class Traffic:
    """What a tab asked for: addresses in their order, status and headers by address, and bytes as they came over the
    wire, heads and compressed bodies."""

    addresses: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    size: int = 0


class Browser:
    """One tab. `log` has what the page complained of (refused by the policy, scripts that failed, what it wrote to the
    console), `dialogs` what it popped up, which is dismissed at once."""

    def __init__(self, scripts: bool = True) -> None:
        assert PROGRAM is not None
        self.log: list[str] = []
        self.dialogs: list[str] = []
        self.traffic = Traffic()
        self._session = ""
        self._profile = tempfile.mkdtemp(prefix="driftd-chromium-")
        self._tools = DevTools([PROGRAM, *OPTIONS, f"--user-data-dir={self._profile}"], self._note)
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask("Emulation.setFocusEmulationEnabled", enabled=True)
        if not scripts:
            self._ask("Emulation.setScriptExecutionDisabled", value=True)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._tools.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    # --- going somewhere ----------------------------------------------------------------------------------------

    def open(self, url: str) -> Traffic:
        """Go there, and wait until it is loaded; what was asked for."""
        self.traffic = Traffic()
        before = self._here()
        self._ask("Page.navigate", url=url)
        self._wait_left(before)
        return self.traffic

    def follow(self, words: str, within: str = "body") -> None:
        """Click on what leads to another page, and wait until that is loaded."""
        before = self._here()
        self.click(words, within)
        self._wait_left(before)

    def leave(self, script: str) -> None:
        """Do something that leads to another page, and wait until that is loaded."""
        before = self._here()
        self.run(script)
        self._wait_left(before)

    def type_token(self, token: str) -> None:
        """Fill in the form that asks for one, whose field has the focus by itself, and send it."""
        wait_for(lambda: self.is_so("document.activeElement?.id === 'token'"), what="the focus on the field")
        self._ask("Input.insertText", text=token)
        self.follow("Log in", "main")

    def _here(self) -> str:
        return str(self.run(HERE))

    def _wait_left(self, before: str) -> None:
        left = f"{HERE} !== {json.dumps(before)} && document.readyState === 'complete'"
        wait_for(lambda: self.is_so(left), what=f"another page than {before}")

    # --- doing something ----------------------------------------------------------------------------------------

    def click(self, words: str, within: str = "body") -> None:
        """With the mouse on the link, the button or the summary that says just that, below what the selector names."""
        place = self.run(f"{PLACE}({json.dumps(words)}, {json.dumps(within)})")
        assert isinstance(place, list), f"{words!r} of {self.run('location.href')} is {place}"
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key of KEYS."""
        number, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=number, **more)

    # --- looking ------------------------------------------------------------------------------------------------

    def run(self, script: str, waits: bool = False) -> Any:
        """What a script of the test's returns in the page; with `waits` what its promise comes to."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=waits)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def is_so(self, script: str) -> bool:
        """Whether a script says so of the page that is there; no page is there between two."""
        try:
            return bool(self.run(script))
        except Refused:
            return False

    def text(self) -> str:
        """What is to be read, folded parts not, in one line."""
        return str(self.run("document.body.innerText.replace(/\\s+/g, ' ')"))

    def says(self, words: str) -> bool:
        """Whether that is to be read."""
        return self.is_so(f"document.body?.innerText.replace(/\\s+/g, ' ').includes({json.dumps(words)})")

    def forget(self) -> None:
        """All its cookies."""
        self._ask("Network.clearBrowserCookies")

    def zone(self, name: str) -> None:
        """The time zone that it is in."""
        self._ask("Emulation.setTimezoneOverride", timezoneId=name)

    def size(self, width: int, height: int) -> None:
        """Of the window."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """As if its user had chosen "light" or "dark"."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path: Path, quality: int = 90) -> None:
        """What is to be seen, as a PNG or WebP by the name."""
        kind = {"format": "png"} if path.suffix == ".png" else {"format": "webp", "quality": quality}
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", **kind)["data"]))

    # --- the protocol -------------------------------------------------------------------------------------------

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._tools.ask(method, self._session, **parameters)

    def _note(self, name: str, told: Event) -> None:
        if name == "Log.entryAdded":
            self.log.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
        elif name == "Runtime.exceptionThrown":
            self.log.append(str(told["exceptionDetails"]))
        elif name == "Runtime.consoleAPICalled":
            self.log.append(f"{told['type']}: {told['args']}")
        elif name == "Page.javascriptDialogOpening":
            self.dialogs.append(told["message"])
            self._tools.say("Page.handleJavaScriptDialog", self._session, accept=False)
        elif name == "Network.requestWillBeSent":
            self.traffic.addresses.append(told["request"]["url"])
        elif name == "Network.responseReceived":
            found = told["response"]
            headers = {key.lower(): value for key, value in found["headers"].items()}
            self.traffic.answers[found["url"]] = found["status"], headers
        elif name == "Network.loadingFinished":
            self.traffic.size += int(told["encodedDataLength"])


def has_browser() -> bool:
    """Whether there is one."""
    return PROGRAM is not None and Path(PROGRAM).exists()
