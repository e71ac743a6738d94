"""Sends a message by Apprise (https://appriseit.com), which reaches many services; one attempt.

A process of its own does it: it ends in bounded time, whatever the library waits for, and of what that prints or logs
nothing is seen, for it may have the URL, which is a secret."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from daemon.config.notify import scheme_of
from daemon.runtime.environment import for_others
from daemon.runtime.notify.attempt import Attempt
from daemon.runtime.notify.endpoint import Endpoint
from daemon.runtime.notify.plain_text import lines, severity, subject
from retrain.records.errors import Refused

EXTRA = 'pip install "driftd[notify]"'
SERVICES = "https://appriseit.com/services/"
PROCESS = "daemon.runtime.notify.apprise_process"
LIMIT_S = 30.0
"""For so long it may take in all, with the second or so that loading the library takes."""
OF_THE_MESSAGE = (413, 422)
"""Answers of a service that say nothing of other messages."""
KINDS = {"error": "failure", "warning": "warning", "info": "info", "over": "success"}
"""What Apprise calls what we tell."""


def send(endpoint: Endpoint, message: Mapping[str, Any], limit_s: float = LIMIT_S) -> Attempt:
    """Send a message once. The services know no keys: it stands at the end, so that people see what comes again."""
    data = message["data"]
    body = "\n".join((*lines(data), "", f"id {message['id']}")).encode("utf-8", "backslashreplace").decode()
    told = {"title": subject(data), "body": body, "kind": KINDS[severity(data)]}
    try:
        answer = _asked({"url": endpoint.url, "message": told}, limit_s)
    except TimeoutError:
        return Attempt(f"no answer within {limit_s:g} s")
    except Refused as error:
        return Attempt(str(error))
    if (unusable := answer["unusable"]) is not None:
        return Attempt(str(_why(endpoint.url, unusable)))
    return Attempt(answer["reason"], only_this=answer["status"] in OF_THE_MESSAGE)


def refuse_unusable(url: str, limit_s: float = LIMIT_S) -> None:
    """Refused where Apprise is not installed, or cannot use a URL, of which no more than the scheme is told."""
    try:
        unusable = _asked({"url": url}, limit_s)["unusable"]
    except TimeoutError:
        return  # nothing speaks against it
    if unusable is not None:
        raise _why(url, unusable)


def _why(url: str, unusable: str) -> Refused:
    scheme = f"{scheme_of(url)}://"
    if unusable == "unknown":
        return Refused(f"Apprise knows no {scheme}", f"see {SERVICES}")
    if unusable == "lacking":
        return Refused(f"Apprise cannot send to {scheme} here", f"it may need a further package: see {SERVICES}")
    return Refused(f"Apprise cannot read what follows {scheme}", f"see {SERVICES}")


def _asked(request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
    """What the process answers; TimeoutError where it takes longer."""
    if find_spec("apprise") is None:
        raise Refused("Apprise is not installed", EXTRA)
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", PROCESS, "--parent", str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=for_others(os.environ), start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            out, _ = process.communicate(json.dumps(request).encode("utf-8", "backslashreplace"), limit_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        return {"unusable": None, "reason": "Apprise ended without a word", "status": None}
    return found
