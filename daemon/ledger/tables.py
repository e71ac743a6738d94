"""The ledger's tables. Times are Unix seconds (UTC); paths are relative to the model's data folder or state_dir."""

import json
import re
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine

JSON_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""The escape of NUL in JSON, and not a backslash before the characters u0000."""
UNDECODABLE = re.compile("[\udc80-\udcff]")
ESCAPED = re.compile(r"\\\\|\\x([0-9a-f]{2})")

metadata = MetaData()


class JsonText(TypeDecorator[Any]):
    """JSON kept as the text that it is, as SQLite does, for PostgreSQL: its own types refuse NaN, and NUL when a value
    is asked for; NUL is written as in other texts (`daemon.ledger.speakable`)."""

    impl = Text
    cache_ok = True

    def __init__(self, none_as_null: bool = False) -> None:
        super().__init__()
        self.none_as_null = none_as_null

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """What is stored."""
        if value is None and self.none_as_null:
            return None
        return JSON_NUL.sub(r"\1\\\\x00", json.dumps(value))

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """What was meant."""
        return None if value is None else json.loads(value)


def _json(none_as_null: bool = False) -> TypeEngine[Any]:
    return JSON(none_as_null=none_as_null).with_variant(JsonText(none_as_null), "postgresql")


Json, Whole = _json(), Integer().with_variant(BigInteger(), "postgresql")
"""Documents; and whole numbers of 64 bits, as SQLite's are: nanoseconds and inodes need them."""


def json_text(conn: Connection, column: ColumnElement[Any], *keys: str) -> ColumnElement[str]:
    """A text within a document."""
    if conn.dialect.name == "sqlite":
        text_of: ColumnElement[str] = column[keys if len(keys) > 1 else keys[0]].as_string()
        return text_of
    return func.ledger_text(column, *keys)  # daemon.ledger.backends.postgresql_schema


def path_meant(stored: str) -> str:
    """The path that a stored text means."""
    return ESCAPED.sub(lambda m: "\\" if m[0] == "\\\\" else chr(0xDC00 + int(m[1], 16)), stored)


class PathText(TypeDecorator[str]):
    """A file's path as text that any name survives: undecodable bytes become `\\xNN`, a backslash two."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """What is stored."""
        if value is None:
            return None
        doubled = value.replace("\\", "\\\\")
        return UNDECODABLE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", doubled)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """What was meant."""
        if value is None:
            return None
        return path_meant(value)


def _table(name: str, *columns: SchemaItem) -> Table:
    """A table whose rows have an integer key."""
    return Table(name, metadata, Column("id", Whole, primary_key=True), *columns)


def _required(kind: Any, *names: str, default: Any = None) -> list[Column[Any]]:
    """Columns of one type that always have a value."""
    return [Column(name, kind, nullable=False, default=default) for name in names]


def _optional(kind: Any, *names: str) -> list[Column[Any]]:
    """Columns of one type that may be NULL."""
    return [Column(name, kind) for name in names]


def _unique_where(name: str, condition: str, *columns: Column[Any]) -> None:
    """At most one row with these values for which the condition holds."""
    _where(name, condition, *columns, unique=True)


def _where(name: str, condition: str, *columns: Column[Any], unique: bool = False) -> None:
    """An index of the rows for which the condition holds. PostgreSQL's schema takes the condition from it: to name that
    dialect here would load it."""
    Index(name, *columns, unique=unique, sqlite_where=text(condition))


models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    *_optional(Json, "schema", "planner", "classes", "settling", "labels", "settled"),
    *_required(String, "waits_for", default=""),
    *_required(Boolean, "paused", default=False),
    *_required(Whole, "taken_in", default=0),
)

files = _table(
    "files",
    *_required(String, "model", "state"),
    *_required(PathText, "path"),
    *_optional(Whole, "seq", "number"),
    *_optional(String, "sha256", "snapshot", "quarantine", "schema_digest"),
    *_required(Whole, "size", "mtime_ns", "ctime_ns", "inode"),
    *_required(String, "kind", default="rows"),
    *_required(String, "source", default="folder"),
    *_required(Whole, "rows", "labelled_rows", "rejected", default=0),
    *_required(Json, "class_rows", default=dict),
    *_required(String, "reason", default=""),
    *_optional(Json, "quality"),
    *_optional(Float, "first_time", "last_time"),
    Column("duplicate_of", Whole, ForeignKey("files.id")),
    *_required(Float, "at"),
)
Index("files_by_model", files.c.model, files.c.id)
Index("files_by_kind", files.c.model, files.c.kind, files.c.state, files.c.source, files.c.seq)
_where("files_by_snapshot", "snapshot IS NOT NULL", files.c.model, files.c.state, files.c.snapshot)
Index("files_by_time", files.c.model, files.c.kind, files.c.state, func.coalesce(files.c.last_time, files.c.at))
_where("files_by_schema", "schema_digest IS NOT NULL", files.c.model, files.c.schema_digest)
_where("files_by_original", "duplicate_of IS NOT NULL", files.c.duplicate_of)
Index("files_by_path", files.c.model, files.c.path, files.c.id)
Index("files_by_content", files.c.model, files.c.sha256)
_unique_where("files_by_seq", "seq IS NOT NULL", files.c.model, files.c.seq)
_unique_where("one_use_of_a_content", "state IN ('accepted', 'held')", files.c.model, files.c.sha256)

file_totals = Table(
    "file_totals",
    metadata,
    Column("model", String, primary_key=True),
    Column("bucket", Whole, primary_key=True),
    Column("state", String, primary_key=True),
    Column("kind", String, primary_key=True),
    *_required(Whole, "files", "rows", "labelled_rows"),
)

class_totals = Table(
    "class_totals",
    metadata,
    Column("model", String, primary_key=True),
    Column("class", String, primary_key=True),
    *_required(Whole, "rows"),
)

prediction_log = _table(
    "prediction_log",
    *_required(String, "model", "path", "digest"),
    *_required(Json, "segments"),
    *_required(Whole, "rows", "answers", "bytes"),
    *_required(Float, "first_time", "last_time", "at"),
    *_optional(String, "data_file"),
    *_optional(Float, "taken_at"),
)
Index("prediction_log_by_model", prediction_log.c.model, prediction_log.c.id)

pulls = _table(
    "pulls",
    *_required(String, "model", "path", "folder", "watermark"),
    *_required(Json, "value"),
    *_required(Whole, "rows"),
    *_required(Boolean, "is_taken", default=False),
    *_required(Boolean, "is_kept", default=True),
    *_required(Float, "at"),
)
Index("pulls_by_model", pulls.c.model, pulls.c.id)

rejects = _table(
    "rejects",
    Column("file_id", Whole, ForeignKey("files.id"), nullable=False, index=True),
    *_optional(Whole, "line"),
    *_optional(String, "column", "raw"),
    *_required(String, "reason"),
)

checks = _table(
    "checks",
    *_required(String, "model", "kind", "version"),
    Column("file_id", Whole, ForeignKey("files.id")),
    *_required(Whole, "deployment"),
    *_required(Float, "started_at", "seconds"),
    *_required(Boolean, "drift"),
    *_required(Json, "drifted", "report"),
    *_required(Boolean, "dropped", default=False),
    *_optional(Json, "performance", "estimated", "stream"),
    *_optional(String, "predictions"),
    Column("episode_id", Whole, ForeignKey("episodes.id")),
)
Index("checks_by_model", checks.c.model, checks.c.id)
_where("checks_by_file", "file_id IS NOT NULL", checks.c.file_id, checks.c.id)

newest_performance = Table(
    "newest_performance",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    *_optional(Json, "labelled", "estimated"),
)

error_streams = Table(
    "error_streams",
    metadata,
    Column("model", String, primary_key=True),
    *_required(Whole, "deployment"),
    *_required(Json, "state"),
)

episodes = _table(
    "episodes",
    *_required(String, "model"),
    *_required(Float, "opened_at"),
    *_optional(Float, "closed_at"),
    *_required(Json, "columns"),
    *_required(Whole, "checks", default=1),
)
_unique_where("one_open_episode", "closed_at IS NULL", episodes.c.model)

group_counts = Table(
    "group_counts",
    metadata,
    Column("check_id", Whole, primary_key=True),
    *_required(String, "model"),
    *_required(Json, "found"),
)
Index("group_counts_by_model", group_counts.c.model, group_counts.c.check_id)

group_summaries = Table(
    "group_summaries",
    metadata,
    Column("model", String, primary_key=True),
    *_required(Json, "brief", "found"),
)

group_episodes = _table(
    "group_episodes",
    *_required(String, "model", "kind"),
    *_required(Float, "opened_at"),
    *_optional(Float, "closed_at"),
    *_required(Json, "found"),
)
_unique_where("one_open_group_episode", "closed_at IS NULL", group_episodes.c.model, group_episodes.c.kind)

cycles = _table(
    "cycles",
    *_required(String, "model", "state", "stage"),
    *_required(Json, "trigger"),
    *_required(Whole, "attempt", "number", "up_to_seq"),
    *_required(Float, "opened_at"),
    *_required(Float, "not_before", default=0.0),
    *_optional(Float, "finished_at"),
    *_required(String, "reason", default=""),
    *_optional(String, "version"),
    Column("realised", _json(none_as_null=True)),
)
Index("cycles_by_model", cycles.c.model, cycles.c.id)
_unique_where("one_open_cycle", "state IN ('open', 'awaiting_approval', 'on_trial')", cycles.c.model)

stages = _table(
    "stages",
    Column("cycle_id", Whole, ForeignKey("cycles.id"), nullable=False, index=True),
    *_required(String, "stage", "state"),
    *_required(Whole, "attempt"),
    *_required(Float, "started_at"),
    *_optional(Float, "finished_at"),
    *_optional(Json, "result"),
    *_required(String, "reason", default=""),
)

versions = Table(
    "versions",
    metadata,
    Column("model", String, primary_key=True),
    Column("name", String, primary_key=True),
    *_required(Whole, "number"),
    *_required(String, "digest"),
    Column("cycle_id", Whole, ForeignKey("cycles.id"), unique=True),
    *_required(Float, "created_at"),
    *_required(Whole, "train_rows", "seen_seq", default=0),
    *_required(Json, "metrics"),
    *_required(String, "state", default="stored"),
)

deployments = _table(
    "deployments",
    *_required(String, "model", "digest"),
    *_required(Whole, "number"),
    *_required(Json, "members"),
    *_optional(Json, "calibration"),
    *_required(Float, "created_at"),
    UniqueConstraint("model", "number"),
    UniqueConstraint("model", "digest"),
)

promotions = _table(
    "promotions",
    *_required(String, "model", "kind", "reason"),
    Column("deployment_id", Whole, ForeignKey("deployments.id"), nullable=False),
    Column("predecessor_id", Whole, ForeignKey("deployments.id")),
    Column("cycle_id", Whole, ForeignKey("cycles.id"), unique=True),
    *_required(Float, "at"),
    *_optional(Float, "swapped_at"),
    *_optional(String, "newest"),
    *_optional(Whole, "era"),
    *_optional(Json, "evidence"),
)
Index("promotions_by_model", promotions.c.model, promotions.c.id)

trials = _table(
    "trials",
    *_required(String, "model", "version", "strategy"),
    Column("cycle_id", Whole, ForeignKey("cycles.id"), nullable=False, unique=True),
    Column("deployment_id", Whole, ForeignKey("deployments.id"), nullable=False),
    *_required(Float, "share", "since", "until", "latest"),
    *_required(Whole, "min_rows", "max_failures"),
    *_required(Whole, "rows", "failures", "compared", "skipped", default=0),
    *_required(Float, "differed", "champion_s", "challenger_s", default=0.0),
    *_required(String, "error", "outcome", "reason", default=""),
    *_optional(Float, "finished_at"),
)
_unique_where("one_running_trial", "outcome = ''", trials.c.model)

cpu_seconds = Table(
    "cpu_seconds",
    metadata,
    Column("model", String, primary_key=True),
    Column("day", Whole, primary_key=True),
    Column("cycle_id", Whole, primary_key=True),
    Column("purpose", String, primary_key=True),
    *_required(Float, "seconds", default=0.0),
)

uploads = Table(
    "uploads",
    metadata,
    Column("kind", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("host", String, primary_key=True),
    *_required(Whole, "number"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    *_required(String, "holder"),
    *_required(Whole, "term"),
    *_required(Float, "since", "until"),
)

assessments = _table(
    "assessments",
    *_required(String, "model", "kind"),
    *_optional(Whole, "seq"),
    *_required(Whole, "deployment"),
    *_optional(Json, "found"),
    *_required(Float, "at"),
)
Index("assessments_by_kind", assessments.c.model, assessments.c.kind, assessments.c.id)
Index("assessments_by_model", assessments.c.model, assessments.c.id)
_unique_where("one_assessment_a_file", "seq IS NOT NULL", assessments.c.model, assessments.c.seq)

events = _table(
    "events",
    *_required(Float, "at"),
    *_required(String, "event", "level"),
    *_optional(String, "model"),
    *_required(Json, "fields"),
)

Index("events_by_model", events.c.model, events.c.id)
OF_FILES = text("event IN ('file_held', 'file_released')")
Index("events_of_files", events.c.model, events.c.id, sqlite_where=OF_FILES)

troubles = _table(
    "troubles",
    *_required(String, "destination", "event", "model"),
    *_required(Json, "state"),
    UniqueConstraint("destination", "event", "model"),
)

outbox = _table(
    "outbox",
    *_required(String, "destination"),
    Column("key", String, nullable=False, unique=True),
    *_required(String, "about"),
    *_required(Json, "message"),
    *_required(Float, "at"),
    *_required(Whole, "attempts", default=0),
    *_required(Float, "not_before", default=0.0),
    *_required(String, "state", default="waiting"),
    *_required(String, "reason", default=""),
    *_optional(Float, "finished_at"),
)
_where("outbox_waiting", "state = 'waiting'", outbox.c.destination, outbox.c.id)
Index("outbox_by_time", outbox.c.destination, outbox.c.at)

hooks = _table(
    "hooks",
    *_required(String, "model"),
    Column("promotion_id", Whole, ForeignKey("promotions.id"), nullable=False, unique=True),
    Column("key", String, nullable=False, unique=True),
    *_required(Float, "at"),
    *_required(Whole, "attempts", default=0),
    *_required(String, "state", default="waiting"),
    *_required(Json, "outcome", default=dict),
    *_optional(Float, "finished_at"),
)
_where("hooks_waiting", "state = 'waiting'", hooks.c.id)

scored = _table(
    "scored",
    *_required(String, "model", "state"),
    *_required(PathText, "path"),
    *_required(Whole, "size", "mtime_ns", "ctime_ns", "inode"),
    *_optional(String, "sha256", "result_sha256", "version", "deployment"),
    *_optional(PathText, "result"),
    *_required(Whole, "rows", "rejected", "logged", default=0),
    *_required(String, "reason", default=""),
    *_required(Float, "at"),
    *_optional(Float, "finished_at"),
)
Index("scored_by_path", scored.c.model, scored.c.path, scored.c.id)
Index("scored_by_content", scored.c.model, scored.c.sha256, scored.c.id)
Index("scored_by_state", scored.c.model, scored.c.state, scored.c.id)

commands = _table(
    "commands",
    *_required(Float, "at"),
    *_required(String, "user", "name"),
    *_required(Json, "args"),
    Column("state", String, nullable=False, default="queued", index=True),
    *_required(String, "message", default=""),
    *_optional(Float, "finished_at"),
)

due = _table(
    "due",
    *_required(String, "model", "kind"),
    *_required(Float, "due_at"),
    *_optional(Float, "done_at"),
    *_optional(Json, "args"),
    UniqueConstraint("model", "kind", "due_at"),
)
_where("due_and_not_done", "done_at IS NULL", due.c.model, due.c.kind)

forgettings = _table(
    "forgettings",
    *_required(Whole, "command_id"),
    *_required(String, "model", "column"),
    *_required(Whole, "people"),
    *_required(Json, "found", default=dict),
    *_required(Float, "at"),
    *_optional(Float, "finished_at"),
    UniqueConstraint("command_id", "at"),
)
Index("forgettings_by_model", forgettings.c.model, forgettings.c.id)

forgotten = _table(
    "forgotten",
    *_required(String, "model", "column", "mark"),
    Column("forgetting_id", Whole, ForeignKey("forgettings.id"), nullable=False),
    UniqueConstraint("model", "column", "mark"),
)
