"""A browser's DevTools protocol through a pipe: what is asked is answered, what happens meanwhile is told."""

import fcntl
import json
import os
import select
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from helpers import PATIENCE_S

Event = dict[str, Any]


class Refused(Exception):
    """The browser could not do it: what it was asked about is gone, as the page that was just left."""


class DevTools:
    """The process and its pipe; `told` is given each event as it comes, by name with its parameters."""

    def __init__(self, command: Sequence[str], told: Callable[[str, Event], None]) -> None:
        self._told, self._number, self._rest = told, 0, b""
        self._answers: dict[int, dict[str, Any]] = {}
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        read_end, write_end = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write))

        def place() -> None:
            """The browser wants its ends of the pipe to be 3 and 4, whatever they are here."""
            os.dup2(read_end, 3)
            os.dup2(write_end, 4)

        self._process = subprocess.Popen(
            command, pass_fds=(3, 4), preexec_fn=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (read_end, write_end, to_read, to_write):
            os.close(end)

    def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """What it answers; Refused where it cannot."""
        number = self.say(method, session, **parameters)
        while number not in self._answers:
            self._take(self._next())
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']['message']}")
        found: dict[str, Any] = answer["result"]
        return found

    def say(self, method: str, session: str = "", **parameters: Any) -> int:
        """The same without waiting for the answer; its number."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        text = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while text:
            text = text[os.write(self._out, text) :]
        return self._number

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        os.close(self._out)
        os.close(self._in)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        else:
            self._told(message["method"], message.get("params", {}))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], PATIENCE_S)[0], "the browser says nothing"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser ended"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found
