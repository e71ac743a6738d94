"""The alert rules say what they promise, by the real promtool; each has its line in the operator's page."""

import re
from pathlib import Path

from promtool import needs_promtool, promtool

from daemon.config.events import EVENTS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "contrib" / "prometheus" / "driftd.rules.yml"
TESTS = RULES.with_name("driftd.rules.test.yml")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text("utf-8"))


@needs_promtool
def test_the_rules_are_valid():
    """As Prometheus reads them."""
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0 and f"{len(ALERTS)} rules found" in done.stdout, done.stdout + done.stderr


@needs_promtool
def test_each_alert_is_told_when_it_should_and_not_otherwise():
    """On series written out in the file of tests, by the clock of promtool."""
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_that_it_is_told_and_one_that_it_is_not():
    """In the file of tests."""
    text = TESTS.read_text("utf-8")
    told = re.findall(r"alertname: (\w+)\n        exp_alerts:\n", text)
    silent = re.findall(r"alertname: (\w+)\n        exp_alerts: \[\]", text)
    assert set(told) == set(silent) == set(ALERTS)


def test_each_alert_has_a_severity_and_a_line_that_says_what_to_do():
    """Its runbook link leads to it, in the order of the rules; that of a logged error to each event's own."""
    blocks = RULES.read_text("utf-8").split("- alert: ")[1:]
    for name, block in zip(ALERTS, blocks, strict=True):
        assert re.search(r"labels: \{severity: (critical|warning|info)\}", block), name
        (link,) = re.findall(r"runbook_url: docs/operations.md#(.+)", block)
        assert link == ("{{ $labels.event }}" if name == "DriftdErrorLogged" else name)
    assert re.findall(r'<a id="(Driftd\w+)"></a>`\1`', OPERATIONS) == ALERTS
    errors = {event.name for event in EVENTS if event.level == "error"}
    assert errors <= set(re.findall(r'<a id="(\w+)"></a>', OPERATIONS))
