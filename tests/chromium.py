"""A real browser for tests: Debian's Chromium, spoken to through a pipe by its DevTools protocol; nothing to install."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from helpers import wait_for

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-extensions", "--remote-debugging-pipe", "--window-size=1280,800",
)  # fmt: skip


class Browser:
    """One tab. `log` has what the page complained of: refused by the policy, scripts that failed."""

    def __init__(self) -> None:
        assert PROGRAM is not None
        self._profile = tempfile.mkdtemp(prefix="driftd-chromium-")
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        read_end, write_end = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write))

        def place() -> None:
            """The browser wants its ends of the pipe to be 3 and 4, whatever they are here."""
            os.dup2(read_end, 3)
            os.dup2(write_end, 4)

        self._process = subprocess.Popen(
            [PROGRAM, *OPTIONS, f"--user-data-dir={self._profile}"], pass_fds=(3, 4), preexec_fn=place,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (read_end, write_end):
            os.close(end)
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest, self._session = 0, b"", ""
        self.log: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(30)
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self.run("window.left = true")
        self._ask("Page.navigate", url=url)
        self.wait_loaded()

    def run(self, script: str) -> Any:
        """What a script of the test's returns in the page."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def leave(self, script: str) -> None:
        """Do something that leads to another page, and wait until that is loaded."""
        self.run("window.left = true")
        self.run(script)
        self.wait_loaded()

    def wait_loaded(self) -> None:
        """Another page than the one that was marked is there whole."""
        wait_for(lambda: self.run("window.left !== true && document.readyState === 'complete'"))

    def type_token(self, token: str) -> None:
        """Fill in the form that asks for one, and send it."""
        self.leave(f"document.querySelector('#token').value = {json.dumps(token)}; document.forms[0].submit()")

    def zone(self, name: str) -> None:
        """The time zone that it is in."""
        self._ask("Emulation.setTimezoneOverride", timezoneId=name)

    def size(self, width: int, height: int) -> None:
        """Of the window."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """What is to be seen, as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": parameters} | session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found
            if answer.get("method") == "Log.entryAdded":
                self.log.append(answer["params"]["entry"]["text"])
            elif answer.get("method") == "Runtime.exceptionThrown":
                self.log.append(str(answer["params"]["exceptionDetails"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser ended"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found


def has_browser() -> bool:
    """Whether there is one."""
    return PROGRAM is not None and Path(PROGRAM).exists()
