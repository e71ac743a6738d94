"""The registry of log events and the code agree: names are an interface that other tools read."""

import ast
from collections.abc import Iterator
from pathlib import Path

from daemon.config.events import EVENTS

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error"}
COMMON = {"model", "file", "cycle_id", "version"}  # of every event that they apply to
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


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Every event in the code with its level and the fields that are written out at the call."""
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
            if receiver in ("log", "get_logger()") or receiver.endswith((".log", "_log")):
                for name in words_of(node.args[0], assigned):
                    yield name, node.func.attr, {word.arg for word in node.keywords if word.arg is not None}


def test_what_is_logged_is_declared_and_what_is_declared_is_logged():
    """Every event is in daemon/config/events.py with its level, once, and nothing else is."""
    assert {(event.name, event.level) for event in EVENTS} == {(name, level) for name, level, _ in calls()}
    assert len({event.name for event in EVENTS}) == len(EVENTS)


def test_the_fields_of_an_event_are_declared():
    """A field that is written out where the event is logged is one of its fields, or one that any event may have."""
    declared = {event.name: set(event.fields.split()) | COMMON for event in EVENTS}
    assert [(name, fields - declared[name]) for name, _, fields in calls() if fields - declared[name]] == []


def test_the_public_events_are_there():
    """The events that users were promised exist under their names."""
    assert set(CONTRACT) <= {event.name for event in EVENTS}


def test_an_event_says_what_to_do_where_it_warns():
    """Each warning and error does, and nothing else needs anyone."""
    assert {event.name for event in EVENTS if event.action} == {
        e.name for e in EVENTS if e.level in ("warning", "error")
    }
