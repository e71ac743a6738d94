"""The catalogue of log events and the code agree: names are an interface that other tools read."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `([a-z_]+)` \| (debug|info|warning|error) \|", re.MULTILINE)
LEVELS = {"debug", "info", "warning", "error"}
CONTRACT = [
    "service_started",
    "service_ready",
    "service_stopping",
    "config_reloaded",
    "file_seen",
    "file_accepted",
    "file_duplicate",
    "file_refused",
    "rows_quarantined",
    "check_finished",
    "drift_detected",
    "drift_cleared",
    "cycle_opened",
    "stage_started",
    "stage_finished",
    "stage_failed",
    "cycle_finished",
    "version_promoted",
    "version_kept",
    "version_rolled_back",
    "model_swapped",
    "waiting_for_data",
    "approval_needed",
    "performance_dropped",
    "input_rejected",
    "backlog_growing",
    "disk_low",
]


def words_of(node: ast.expr, assigned: dict[str, ast.expr]) -> set[str]:
    """The event names that a log call's first argument may have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return words_of(node.body, assigned) | words_of(node.orelse, assigned)
    if isinstance(node, ast.Name) and node.id in assigned:
        return words_of(assigned[node.id], assigned)
    raise AssertionError(f"line {node.lineno}: the name of a log event must be written out")


def logged() -> dict[str, str]:
    """All events in the code with their levels."""
    found: dict[str, str] = {}
    for path in (ROOT / "daemon").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assigned = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            receiver = ast.unparse(node.func.value)
            if receiver == "log" or receiver.endswith((".log", "_log")):
                found |= dict.fromkeys(words_of(node.args[0], assigned), node.func.attr)
    return found


def test_the_catalogue_lists_what_the_code_logs():
    """Every event is in docs/events.md with its level, and nothing else is."""
    catalogue = dict(ROW.findall((ROOT / "docs" / "events.md").read_text("utf-8")))
    assert catalogue == logged()


def test_the_public_events_are_there():
    """The events that users were promised exist under their names."""
    assert set(CONTRACT) <= set(logged())


def test_operators_are_told_what_to_do_for_each_event_that_warns():
    """docs/operations.md has a line for every warning and error."""
    table = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## What needs a person")[2]
    documented = dict(ROW.findall((ROOT / "docs" / "events.md").read_text("utf-8")))
    warned = {event for event, level in documented.items() if level in ("warning", "error")}
    assert warned - set(re.findall(r"`([a-z_]+)`", table)) == set()
