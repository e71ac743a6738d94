"""Prometheus' own programs, of the Debian package `prometheus` or from wherever PATH has them."""

import shutil
import subprocess

import pytest

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool: `apt install prometheus`")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="there is no prometheus: `apt install prometheus`")


def promtool(*arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run it; `text` is its standard input."""
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, timeout=120)
