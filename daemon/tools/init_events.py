"""Writes a first configuration for a log of events: what `driftd init --task recommendation` does."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.config.service import ServiceSettings
from daemon.reading.infer import infer_schema, sampled
from daemon.reading.local_formats.findings import Finding
from daemon.reading.open_file import open_file, require_file, with_fields
from daemon.tools.event_roles import Roles, asked, event_kinds, guessed_roles, looks_like_events, named_roles, sizes
from daemon.tools.init import intake_keys, intake_section, key_lines, model_name, report_lines
from retrain.records.errors import Refused, WrongUse
from retrain.records.settings import ModelSettings

SHOWN_TYPES = 8
NO_TARGET = (
    "--target COLUMN is missing: the column to predict; of a log of events, --task recommendation and "
    "the columns --user, --item and --time"
)


@dataclass(frozen=True)
class EventLog:
    """What a sample shows of a log: which columns are what, the types of events, how it is read, in words how large it
    is, whether it looks like one at all, and which columns may be what is not known."""

    roles: Roles
    types: Sequence[str]
    intake: Mapping[str, Any]
    findings: tuple[Finding, ...]
    size: str
    is_plain: bool
    guess: Roles

    @property
    def proposal(self) -> str:
        """The options that may be meant, as "; perhaps …"; "" where nothing is open, or nothing can be guessed."""
        if self.roles.whole or not self.guess.whole:
            return ""
        options = (f"--{role} {shlex.quote(getattr(self.guess, role))}" for role in ("user", "item", "time"))
        return f"; perhaps {' '.join(options)}"


def look_at_events(file: Path, given: Roles) -> EventLog:
    """What a file shows. Refused where it cannot be read or its times are none, WrongUse where a given column is not
    there."""
    require_file(file)
    anything = ModelSettings(data_dir="data", task="classification", target="")
    with TemporaryDirectory(prefix="driftd-init-") as folder:
        opened = with_fields(open_file(file, anything.intake, Path(folder) / "sample.copy"))
        sample = sampled(opened, Path(folder) / "sample.csv")
        roles = named_roles(sample, given)
        if roles.whole:
            infer_schema(sample, settings_of(roles))  # the times are times
        findings = (*(Finding("", "understood", note) for note in opened.notes), *sample.found.findings)
        return EventLog(
            roles=roles,
            types=event_kinds(sample, roles.event) if roles.event else (),
            intake=intake_keys(opened, file, sample.found),
            findings=tuple(one for one in findings if one.column in ("", roles.time, roles.value)),
            size=sizes(sample, roles) if roles.whole else "",
            is_plain=looks_like_events(roles, sample),
            guess=roles if roles.whole else guessed_roles(sample, roles),
        )


def settings_of(roles: Roles) -> ModelSettings:
    """The settings of a model of these columns."""
    event = {"event_column": roles.event} if roles.event else {}
    named = {"user_column": roles.user, "item_column": roles.item, "time_column": roles.time, **event}
    return ModelSettings.model_validate({"data_dir": "data", "task": "recommendation", **named})


def recognised(file: Path) -> EventLog:
    """The log that a file is, where that is plain: its columns say who, what and when, and people come again. WrongUse
    where it is not."""
    try:
        found = look_at_events(file, Roles())
    except (Refused, WrongUse):
        raise WrongUse(NO_TARGET) from None
    if not found.is_plain:
        raise WrongUse(NO_TARGET + found.proposal)
    return found


def write_event_config(file: Path, found: EventLog, name: str, path: Path) -> Iterator[str]:
    """Write the configuration, and say what to do next, line by line. WrongUse where it is not known who, what or
    when."""
    if lacking := asked(found.roles):
        known = [f"{role} is {column!r}" for role, column in vars(found.roles).items() if column]
        what = f"; as far as can be told, {', '.join(known)}" if known else ""
        options = ", ".join(f"--{role}" for role in lacking)
        raise WrongUse(f"it cannot be told which columns are what{what}; name {options} COLUMN{found.proposal}")
    name = model_name(name or file.name.split(".")[0])
    path.write_text("\n".join(_lines(found, name)) + "\n", "utf-8")
    yield from report_lines(found.findings)
    roles = found.roles
    yield f"wrote {path}: model {name!r}, recommendation of {roles.item!r} to {roles.user!r} by {roles.time!r}"
    yield f"the sample has {found.size}"
    if roles.event:
        shown = ", ".join(found.types[:SHOWN_TYPES])
        yield f"types of events in {roles.event!r}: {shown}; all count alike, unless event_weights says otherwise"
    if roles.value:
        yield f"all events count, whatever their {roles.value!r}; value_column and positive say which do"
    data = path.absolute().parent / "data" / name
    data.mkdir(parents=True, exist_ok=True)
    yield f"made {data}"
    yield f"next: read {path}, run `driftd -c {path} run`, and put files such as {file.name} into {data}"


def _lines(found: EventLog, name: str) -> list[str]:
    roles = found.roles
    return [
        "# driftd: what it watches, trains and serves. Paths are relative to the folder of this file.",
        "# Whatever is not set here has a default; `driftd doctor` checks this file.",
        "",
        "[service]",
        *key_lines(ServiceSettings, "state_dir", "state"),
        *key_lines(ServiceSettings, "listen", "127.0.0.1:8080"),
        "",
        f"[models.{name}]",
        *key_lines(ModelSettings, "data_dir", f"data/{name}"),
        'task = "recommendation"',
        *key_lines(ModelSettings, "user_column", roles.user),
        *key_lines(ModelSettings, "item_column", roles.item),
        *key_lines(ModelSettings, "time_column", roles.time),
        *_optional(found),
        *key_lines(ModelSettings, "items_file", None, "items.csv"),
        *key_lines(ModelSettings, "exclude_seen", None, "auto"),
        *key_lines(ModelSettings, "check_schedule", "0 * * * *"),
        *key_lines(ModelSettings, "mode", None, "auto"),
        "",
        *intake_section(dict(found.intake), name),
    ]


def _optional(found: EventLog) -> Iterator[str]:
    """Types and values: what counts how much is for a person to say."""
    roles = found.roles
    yield from key_lines(ModelSettings, "event_column", roles.event or None, "type")
    if roles.event:
        weights = ", ".join(f"{json.dumps(one, ensure_ascii=False)} = 1" for one in found.types[:SHOWN_TYPES])
        yield f"# event_weights = {{ {weights} }}"
    yield from key_lines(ModelSettings, "value_column", None, roles.value or "rating")
    yield "# positive = 4"
