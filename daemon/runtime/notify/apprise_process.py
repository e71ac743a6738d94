"""`python -m daemon.runtime.notify.apprise_process`: sends one message by Apprise.

Request, as JSON on standard input: `url`, and `message` with `title`, `body` and `kind`; without a message it only says
whether the URL can be used. Answer, as JSON on standard output: `unusable`, which is null, `unknown` (its scheme),
`lacking` (something that the scheme needs) or `unread` (what follows); `reason` why it did not arrive, and the HTTP
`status` that the service answered where that is known. Neither has anything of the URL."""

import argparse
import json
import logging
import os
import re
import signal
import sys
from typing import Any

from daemon.runtime.parent import end_with_parent

STATUS = re.compile(r"\berror=(\d{3})\b")
NO_CONNECTION = "connection error"


class Words(logging.Handler):
    """Keeps what the library logs: it tells in no other way what went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's text."""
        self.texts.append(record.getMessage())


def main() -> None:
    """Answer one request."""
    parser = argparse.ArgumentParser(prog=__spec__.name if __spec__ else None)
    parser.add_argument("--parent", type=int, required=True)
    end_with_parent(parser.parse_args().parent, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with answers:
        json.dump(answer(json.load(sys.stdin)), answers)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a request."""
    words = Words()
    for name in ("apprise", ""):
        logging.getLogger(name).addHandler(words if name else logging.NullHandler())
    logging.getLogger("apprise").propagate = False
    import apprise

    asset = apprise.AppriseAsset(
        app_id="driftd", app_desc="driftd", app_url="", image_url_mask="", image_url_logo="", async_mode=False,
        interpret_emojis=False, pgp_autogen=False, pem_autogen=False,
    )  # fmt: skip
    plugin = apprise.Apprise.instantiate(request["url"], asset=asset)
    if plugin is None:
        return {"unusable": _unusable(request["url"]), "reason": "", "status": None}
    if (message := request.get("message")) is None:
        return {"unusable": None, "reason": "", "status": None}
    if "overflow" not in request["url"]:  # what is too long for a service is cut: never several in place of one
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
    sender = apprise.Apprise(plugin, asset=asset)
    kind, text = apprise.NotifyType(message["kind"]), apprise.NotifyFormat.TEXT
    if sender.notify(message["body"], message["title"], kind, body_format=text):
        return {"unusable": None, "reason": "", "status": None}
    return {"unusable": None, **_failure(words.texts)}


def _unusable(url: str) -> str:
    from apprise.manager_plugins import NotificationManager

    known, scheme = NotificationManager(), url.partition("://")[0].lower()
    if scheme not in known:
        return "unknown"
    return "unread" if known[scheme].enabled else "lacking"


def _failure(texts: list[str]) -> dict[str, Any]:
    """Why it did not arrive: no more than is surely no secret.

    >>> _failure(["Failed to send Slack notification: Unauthorized, error=401."])
    {'reason': 'the service answered 401', 'status': 401}
    """
    for text in reversed(texts):
        if found := STATUS.search(text):
            return {"reason": f"the service answered {found[1]}", "status": int(found[1])}
    if any(NO_CONNECTION in text.lower() for text in texts):
        return {"reason": "no connection to the service, or no answer in time", "status": None}
    return {"reason": "the service did not take it", "status": None}


if __name__ == "__main__":
    main()
