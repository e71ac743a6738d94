"""The ledger's tables. Times are Unix seconds (UTC); paths are relative to the model's data folder or state_dir."""

import re
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.types import TypeDecorator

UNDECODABLE = re.compile("[\udc80-\udcff]")
ESCAPED = re.compile(r"\\\\|\\x([0-9a-f]{2})")

metadata = MetaData()


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


models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("schema", JSON),
    Column("planner", JSON),
    Column("waits_for", String, nullable=False, default=""),
    Column("paused", Boolean, nullable=False, default=False),
)

files = Table(
    "files",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("path", PathText, nullable=False),
    Column("seq", Integer),
    Column("state", String, nullable=False),
    Column("sha256", String),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ctime_ns", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("kind", String, nullable=False, default="rows"),
    Column("source", String, nullable=False, default="folder"),
    Column("snapshot", String),
    Column("rows", Integer, nullable=False, default=0),
    Column("labelled_rows", Integer, nullable=False, default=0),
    Column("class_rows", JSON, nullable=False, default=dict),
    Column("rejected", Integer, nullable=False, default=0),
    Column("quarantine", String),
    Column("reason", String, nullable=False, default=""),
    Column("quality", JSON),
    Column("first_time", Float),
    Column("last_time", Float),
    Column("duplicate_of", Integer, ForeignKey("files.id")),
    Column("at", Float, nullable=False),
    Column("schema_digest", String),
)
Index("files_by_model", files.c.model, files.c.id)
Index("files_by_kind", files.c.model, files.c.kind, files.c.state, files.c.source, files.c.seq)
Index("files_by_snapshot", files.c.model, files.c.state, files.c.snapshot, sqlite_where=text("snapshot IS NOT NULL"))
Index("files_by_time", files.c.model, files.c.kind, files.c.state, func.coalesce(files.c.last_time, files.c.at))
Index("files_by_schema", files.c.model, files.c.schema_digest, sqlite_where=text("schema_digest IS NOT NULL"))
Index("files_by_original", files.c.duplicate_of, sqlite_where=text("duplicate_of IS NOT NULL"))
Index("files_by_path", files.c.model, files.c.path, files.c.id)
Index("files_by_content", files.c.model, files.c.sha256)
Index("files_by_seq", files.c.model, files.c.seq, unique=True, sqlite_where=text("seq IS NOT NULL"))
Index(
    "one_use_of_a_content",
    files.c.model,
    files.c.sha256,
    unique=True,
    sqlite_where=text("state IN ('accepted', 'held')"),
    postgresql_where=text("state IN ('accepted', 'held')"),
)

file_totals = Table(
    "file_totals",
    metadata,
    Column("model", String, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("state", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("files", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("labelled_rows", Integer, nullable=False),
)

prediction_log = Table(
    "prediction_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("path", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("segments", JSON, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("first_time", Float, nullable=False),
    Column("last_time", Float, nullable=False),
    Column("data_file", String),
    Column("taken_at", Float),
    Column("at", Float, nullable=False),
)
Index("prediction_log_by_model", prediction_log.c.model, prediction_log.c.id)

rejects = Table(
    "rejects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_id", Integer, ForeignKey("files.id"), nullable=False, index=True),
    Column("line", Integer),
    Column("column", String),
    Column("reason", String, nullable=False),
    Column("raw", String),
)

checks = Table(
    "checks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("file_id", Integer, ForeignKey("files.id")),
    Column("deployment", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("drift", Boolean, nullable=False),
    Column("drifted", JSON, nullable=False),
    Column("dropped", Boolean, nullable=False, default=False),
    Column("report", JSON, nullable=False),
    Column("performance", JSON),
    Column("estimated", JSON),
    Column("stream", JSON),
    Column("predictions", String),
    Column("episode_id", Integer, ForeignKey("episodes.id")),
)
Index("checks_by_model", checks.c.model, checks.c.id)
Index("checks_by_file", checks.c.file_id, checks.c.id, sqlite_where=text("file_id IS NOT NULL"))

newest_performance = Table(
    "newest_performance",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("labelled", JSON),
    Column("estimated", JSON),
)

error_streams = Table(
    "error_streams",
    metadata,
    Column("model", String, primary_key=True),
    Column("deployment", Integer, nullable=False),
    Column("state", JSON, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("columns", JSON, nullable=False),
    Column("checks", Integer, nullable=False, default=1),
)
Index(
    "one_open_episode",
    episodes.c.model,
    unique=True,
    sqlite_where=text("closed_at IS NULL"),
    postgresql_where=text("closed_at IS NULL"),
)

cycles = Table(
    "cycles",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("trigger", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("up_to_seq", Integer, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("not_before", Float, nullable=False, default=0.0),
    Column("finished_at", Float),
    Column("reason", String, nullable=False, default=""),
    Column("version", String),
)
Index("cycles_by_model", cycles.c.model, cycles.c.id)
Index(
    "one_open_cycle",
    cycles.c.model,
    unique=True,
    sqlite_where=text("state IN ('open', 'awaiting_approval', 'on_trial')"),
    postgresql_where=text("state IN ('open', 'awaiting_approval', 'on_trial')"),
)

stages = Table(
    "stages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("result", JSON),
    Column("reason", String, nullable=False, default=""),
)

versions = Table(
    "versions",
    metadata,
    Column("model", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), unique=True),
    Column("created_at", Float, nullable=False),
    Column("train_rows", Integer, nullable=False, default=0),
    Column("seen_seq", Integer, nullable=False, default=0),
    Column("metrics", JSON, nullable=False),
    Column("state", String, nullable=False, default="stored"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("members", JSON, nullable=False),
    Column("calibration", JSON),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("model", "number"),
    UniqueConstraint("model", "digest"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("deployment_id", Integer, ForeignKey("deployments.id"), nullable=False),
    Column("predecessor_id", Integer, ForeignKey("deployments.id")),
    Column("kind", String, nullable=False),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), unique=True),
    Column("reason", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("swapped_at", Float),
    Column("newest", String),
    Column("era", Integer),
)
Index("promotions_by_model", promotions.c.model, promotions.c.id)

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), nullable=False, unique=True),
    Column("deployment_id", Integer, ForeignKey("deployments.id"), nullable=False),
    Column("version", String, nullable=False),
    Column("strategy", String, nullable=False),
    Column("share", Float, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("latest", Float, nullable=False),
    Column("min_rows", Integer, nullable=False),
    Column("max_failures", Integer, nullable=False),
    Column("rows", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("compared", Integer, nullable=False, default=0),
    Column("differed", Float, nullable=False, default=0.0),
    Column("skipped", Integer, nullable=False, default=0),
    Column("champion_s", Float, nullable=False, default=0.0),
    Column("challenger_s", Float, nullable=False, default=0.0),
    Column("error", String, nullable=False, default=""),
    Column("outcome", String, nullable=False, default=""),
    Column("reason", String, nullable=False, default=""),
    Column("finished_at", Float),
)
Index(
    "one_running_trial",
    trials.c.model,
    unique=True,
    sqlite_where=text("outcome = ''"),
    postgresql_where=text("outcome = ''"),
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("seq", Integer),
    Column("deployment", Integer, nullable=False),
    Column("found", JSON),
    Column("at", Float, nullable=False),
)
Index("assessments_by_kind", assessments.c.model, assessments.c.kind, assessments.c.id)
Index("assessments_by_model", assessments.c.model, assessments.c.id)
Index(
    "one_assessment_a_file",
    assessments.c.model,
    assessments.c.seq,
    unique=True,
    sqlite_where=text("seq IS NOT NULL"),
    postgresql_where=text("seq IS NOT NULL"),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("event", String, nullable=False),
    Column("level", String, nullable=False),
    Column("model", String),
    Column("fields", JSON, nullable=False),
)

Index("events_by_model", events.c.model, events.c.id)

commands = Table(
    "commands",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("user", String, nullable=False),
    Column("name", String, nullable=False),
    Column("args", JSON, nullable=False),
    Column("state", String, nullable=False, default="queued", index=True),
    Column("message", String, nullable=False, default=""),
    Column("finished_at", Float),
)

due = Table(
    "due",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("done_at", Float),
    UniqueConstraint("model", "kind", "due_at"),
)
Index("due_and_not_done", due.c.model, due.c.kind, sqlite_where=text("done_at IS NULL"))
