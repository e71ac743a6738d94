"""Asks the package index that pip is configured with for known vulnerabilities of the locked dependencies (its JSON
interface, as PyPI has it: beside the index, pypi/NAME/VERSION/json). Fails where there are any; where nothing could be
asked it says so and passes."""

import base64
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

LOCK = Path("requirements.lock")
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)")
TIMEOUT_S = 20.0
AT_ONCE = 4


@dataclass(frozen=True)
class Audited:
    """A dependency; what its version is vulnerable to, None where nobody answered."""

    name: str
    version: str
    found: tuple[str, ...] | None


def main(lock: Path = LOCK) -> int:
    """The exit status."""
    address, headers = advisories_of(configured_index())
    dependencies = list(pinned(lock.read_text("utf-8")))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        audited = list(pool.map(lambda one: Audited(*one, ask(address, headers, *one)), dependencies))
    return tell(audited, address)


def tell(audited: list[Audited], address: str) -> int:
    """Print what was found; the exit status."""
    asked = [one for one in audited if one.found is not None]
    vulnerable = [one for one in asked if one.found]
    for one in vulnerable:
        print(f"audit: {one.name} {one.version}: {'; '.join(one.found or ())}")
    if not asked:
        print(f"audit: {address} does not answer about any dependency; NOTHING WAS AUDITED", file=sys.stderr)
    else:
        print(f"audit: {len(asked)} of {len(audited)} dependencies could be audited, {len(vulnerable)} are vulnerable")
    if asked and len(asked) < len(audited):
        print(f"audit: not audited: {', '.join(one.name for one in audited if one.found is None)}", file=sys.stderr)
    return 1 if vulnerable else 0


def pinned(lock: str) -> Iterator[tuple[str, str]]:
    """Names and versions of a lock file."""
    for line in lock.splitlines():
        if match := PINNED.match(line):
            yield match[1], match[2]


def configured_index() -> str:
    """The index that pip would ask."""
    if given := os.environ.get("PIP_INDEX_URL"):
        return given
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or usual_index()


def usual_index() -> str:
    """The one that pip asks where nothing is configured, as its help says."""
    command = [sys.executable, "-m", "pip", "install", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"\(default\s+(https?://[^\s)]+)\)", told)
    return found[1] if found else ""


def advisories_of(index: str) -> tuple[str, dict[str, str]]:
    """Where an index answers about versions, without a user's name and password, which go into a header.

    >>> advisories_of("https://me:pa%40ss@mirror.example/root/simple/")
    ('https://mirror.example/root/pypi', {'Authorization': 'Basic bWU6cGFAc3M='})
    """
    parts = urlsplit(index)
    path = parts.path.rstrip("/").removesuffix("/simple").removesuffix("/pypi")
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], f"{path}/pypi", "", ""))
    if parts.username is None:
        return address, {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return address, {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


def ask(address: str, headers: dict[str, str], name: str, version: str) -> tuple[str, ...] | None:
    """What a version is vulnerable to; None where the index does not say."""
    request = urllib.request.Request(f"{address}/{name}/{version}/json", headers=headers)  # noqa: S310
    authorities = os.environ.get("PIP_CERT") or None
    try:
        context = ssl.create_default_context(cafile=authorities)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310
            found = json.load(answer)["vulnerabilities"]
            return tuple(worded(one) for one in found if not one.get("withdrawn"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def worded(one: dict[str, Any]) -> str:
    """An advisory in a line."""
    fixed = ", ".join(map(str, one.get("fixed_in") or ())) or "no release"
    return f"{one.get('id', 'an advisory without a name')} (fixed in {fixed})"


if __name__ == "__main__":
    sys.exit(main())
