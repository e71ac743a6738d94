"""Writes a first configuration from a sample: what `driftd init` does."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from daemon.config.service import ServiceSettings
from daemon.reading.formats import COMPRESSIONS, OpenedFile
from daemon.reading.infer import Sampled, infer_schema, not_learned, sampled
from daemon.reading.local_formats.findings import Finding, Level, toml_keys
from daemon.reading.local_formats.found import Found
from daemon.reading.look import matches
from daemon.reading.open_file import open_file, require_file
from daemon.tools.column_names import listed_columns
from daemon.tools.init_elsewhere import Elsewhere, recognised, told_of
from drift.notation import counted
from retrain.records.errors import Refused, WrongUse
from retrain.records.schema import Column, Schema
from retrain.records.settings import Frozen, IntakeSettings, ModelSettings

NAME = re.compile(r"[^a-z0-9]+")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
TIME_NAMES = ("time", "timestamp", "date", "datetime", "event_time", "created_at", "ts")
ID_NAMES = ("id", "row_id", "uid", "uuid", "key")
MAX_CLASSES = 20


@dataclass(frozen=True)
class Inferred:
    """What a sample shows: its schema for the task, the columns that look like a time and an id, how it is read
    (keys of [models.M.intake]), what is told of that, by name why columns are not learned from, and which of these may
    be the id where no name says so."""

    schema: Schema
    task: str
    time_column: str | None
    id_column: str | None
    intake: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    not_learned: Mapping[str, str] = field(default_factory=dict)
    numbering: str = ""
    elsewhere: Elsewhere | None = None


def look_at(
    file: Path, target: str, task: str = "", ignore: Sequence[str] = (), columns: Sequence[str] = (),
    prediction: str = "",
) -> Inferred:  # fmt: skip
    """What a data file shows of a model of `target`; `task` is inferred where it is "". Columns to `ignore` are not
    learned from; where `columns` are named, they alone are, whatever their values; `prediction` is what another system
    predicted, if one did. Refused where the file cannot be read or has no such column."""
    require_file(file)
    settings = ModelSettings(data_dir="data", task="classification", target=target)
    with TemporaryDirectory(prefix="driftd-init-") as folder:
        opened = open_file(file, settings.intake, Path(folder) / "sample.copy", [target])
        sample = sampled(opened, Path(folder) / "sample.csv")
        schema, chosen = _schema_of(sample, file, settings, task)
        findings = (*(Finding("", "understood", note) for note in opened.notes), *sample.found.findings)
        reasons = not_learned(sample, schema)
        numbering = next((name for name in reasons if _all_differ(sample, schema, name)), "")
    elsewhere = recognised(sample, schema, target, chosen, prediction) if prediction else None
    names = [column.name for column in schema.columns if column.name not in (target, *_columns_of(elsewhere))]
    ignored, only = listed_columns(ignore, names), listed_columns(columns, names)
    schema = schema.learning_from([*ignored, *_columns_of(elsewhere)], only)
    unnamed = [name for name in names if only and name not in only]
    reasons = dict.fromkeys(unnamed, "--columns does not name it") | reasons
    reasons |= dict.fromkeys(ignored, "--ignore names it")
    time_column = _named(schema, TIME_NAMES, ("datetime",), target)
    id_column = _named(schema, ID_NAMES, ("integer", "category"), target)
    keys = intake_keys(opened, file, sample.found)
    return Inferred(schema, chosen, time_column, id_column, keys, findings, reasons, numbering, elsewhere)


def _all_differ(sample: Sampled, schema: Schema, name: str) -> bool:
    """Whether a column has another value in each row, as an id has; dates have not the kind of one."""
    present, distinct = sample.counts(name)
    return present == distinct > 1 and schema.column(name).kind in ("integer", "category")


def write_config(
    file: Path, target: str, task: str, name: str, path: Path, ignore: Sequence[str] = (), columns: Sequence[str] = (),
    prediction: str = "",
) -> Iterator[str]:  # fmt: skip
    """Write the configuration, and say what to do next, line by line. Refused where the file cannot be read or
    has no such column; see `look_at`."""
    inferred = look_at(file, target, task, ignore, columns, prediction)
    learned = [c.name for c in inferred.schema.features if c.name not in (inferred.time_column, inferred.id_column)]
    if not learned:
        raise Refused(f"{file} has nothing to learn {target!r} from", "give a file of rows, not one of labels alone")
    name = model_name(name or file.name.split(".")[0])
    path.write_text(_text(inferred, name, target), "utf-8")
    yield from report_lines(inferred.findings)
    columns = counted(len(inferred.schema.features), "column")
    yield f"wrote {path}: model {name!r}, {inferred.task} of {target!r} from {columns}"
    if inferred.elsewhere is not None:
        yield from told_of(inferred.elsewhere)
    for column in inferred.schema.columns:
        if column.name in _columns_of(inferred.elsewhere):
            continue
        if not column.feature and column.name not in (inferred.time_column, inferred.id_column):
            yield f"not learned from: {column.name}: {inferred.not_learned[column.name]}"
    if inferred.id_column is None and inferred.numbering:
        yield f"if labels come later: they find their rows by id, set id_column = {json.dumps(inferred.numbering)}"
    data = path.absolute().parent / "data" / name
    data.mkdir(parents=True, exist_ok=True)
    yield f"made {data}"
    yield f"next: read {path}, run `driftd -c {path} run`, and put files such as {file.name} into {data}"


def _columns_of(elsewhere: Elsewhere | None) -> tuple[str, ...]:
    return () if elsewhere is None else elsewhere.columns


def model_name(text: str) -> str:
    """A model's name from any text.

    >>> model_name("My Customers")
    'my_customers'
    """
    return NAME.sub("_", text.lower()).strip("_") or "model"


def intake_keys(opened: OpenedFile, file: Path, found: Found) -> dict[str, Any]:
    """The keys by which files such as this one are read as it was. A decimal point that was only assumed is not among
    them: written down it would end the warnings about files that say otherwise."""
    keys = found.formats.to_json()
    if opened.encoding not in ("utf-8", "utf-16"):
        keys["encoding"] = opened.encoding
    patterns = IntakeSettings().patterns
    if not matches(file.name, patterns):
        keys["patterns"] = [
            *patterns,
            f"*{''.join(file.suffixes[-2:])}" if file.suffix in COMPRESSIONS else f"*{file.suffix}",
        ]
    return keys


def report_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """What was found of how the file is written, by how far it is understood."""
    for level in get_args(Level):
        lines = [str(finding) for finding in findings if finding.level == level]
        if lines:
            yield f"{level}:"
            yield from (f"  {line}" for line in lines)


def _schema_of(sample: Sampled, path: Path, settings: ModelSettings, task: str) -> tuple[Schema, str]:
    target = settings.target
    try:
        infer_schema(sample, settings)  # names the columns if the target is none of them
    except WrongUse as error:
        if "target" not in error.message.split(maxsplit=1)[0]:
            raise
        late = "where labels come in files of their own, give a file that has both, or see docs/labels.md"
        raise WrongUse(f"{error.message}; {late}") from None
    present, distinct = sample.counts(target)
    if not present:
        raise Refused(f"{target!r} has no value in {path}", "take a file with labelled rows")
    all_numbers = sample.kinds[target] in ("number", "integer")
    if task == "regression" and not all_numbers:
        raise WrongUse(f"{target!r} has values that are no numbers; a regression needs them", "leave --task out")
    chosen = task or ("regression" if all_numbers and distinct > MAX_CLASSES else "classification")
    return infer_schema(sample, settings.model_copy(update={"task": chosen})), chosen


def _named(schema: Schema, names: tuple[str, ...], kinds: tuple[str, ...], target: str) -> str | None:
    fitting = [c.name for c in schema.columns if c.kind in kinds and c.name != target]
    named = (column for name in names for column in fitting if column.lower() == name)
    return next(named, fitting[0] if "datetime" in kinds and len(fitting) == 1 else None)


def _text(inferred: Inferred, name: str, target: str) -> str:
    lines = [
        "# driftd: what it watches, trains and serves. Paths are relative to the folder of this file.",
        "# Whatever is not set here has a default; `driftd doctor` checks this file.",
        "",
        "[service]",
        *key_lines(ServiceSettings, "state_dir", "state"),
        *key_lines(ServiceSettings, "listen", "127.0.0.1:8080"),
        "",
        f"[models.{name}]",
        *key_lines(ModelSettings, "data_dir", f"data/{name}"),
        *key_lines(ModelSettings, "task", inferred.task),
        *key_lines(ModelSettings, "target", target),
        *([] if inferred.elsewhere is None else elsewhere_lines(inferred.elsewhere)),
        *key_lines(ModelSettings, "time_column", inferred.time_column),
        *key_lines(ModelSettings, "id_column", inferred.id_column, inferred.numbering or "…"),
        *key_lines(ModelSettings, "check_schedule", "*/15 * * * *"),
        *([] if inferred.elsewhere else key_lines(ModelSettings, "retrain_schedule", None, "0 3 * * SUN")),
        *([] if inferred.elsewhere else key_lines(ModelSettings, "mode", None, "auto")),
        "",
        *intake_section(inferred.intake, name),
        "# The columns, by name; their order in the files does not matter.",
        '# { type = "number", min = 0, max = 1 } and { type = "category", categories = ["a", "b"] } say what is valid.',
        f"[models.{name}.columns]",
        *(
            _column(column, inferred)
            for column in inferred.schema.columns
            if column.name not in _columns_of(inferred.elsewhere)
        ),
    ]
    return "\n".join(lines) + "\n"


def intake_section(keys: dict[str, Any], name: str) -> list[str]:
    """How files are read, where that is not the default."""
    if not keys:
        return []
    about = "# How numbers, dates and missing values are written in the files; see docs/data-files.md."
    return [about, f"[models.{name}.intake]", *toml_keys(keys), ""]


def elsewhere_lines(found: Elsewhere) -> list[str]:
    """The keys of a model that another system serves."""
    lines = [
        *key_lines(ModelSettings, "served", "elsewhere"),
        *key_lines(ModelSettings, "prediction_column", found.prediction),
        *key_lines(ModelSettings, "version_column", found.version),
        *key_lines(ModelSettings, "challengers", None)[:-1], "# challengers = true",
    ]  # fmt: skip
    if found.probabilities or found.lacks:
        *meaning, _ = key_lines(ModelSettings, "probability_columns", None)
        example = '# probability_columns = { "…" = "…" }'
        lines += [*meaning, f"probability_columns = {found.classes}" if found.classes else example]
    return lines


def key_lines(kind: type[Frozen], name: str, value: str | None, example: str = "…") -> list[str]:
    """A key below what it means; one without a value is commented out."""
    meaning = LINK.sub(r"\1", kind.descriptions()[name])
    line = f"{name} = {json.dumps(value or example, ensure_ascii=False)}"
    return [*textwrap.wrap(f"# {meaning}", 118, subsequent_indent="# "), line if value else f"# {line}"]


def _column(column: Column, inferred: Inferred) -> str:
    roles = (inferred.schema.target, inferred.time_column, inferred.id_column)
    key = column.name if re.fullmatch(r"[A-Za-z0-9_-]+", column.name) else json.dumps(column.name, ensure_ascii=False)
    if column.kind == "text":
        return f'{key} = "text"   # sentences: compared by length, emptiness and trigrams, not learned from'
    reason = inferred.not_learned.get(column.name)
    values, comments = {"type": f'"{column.kind}"'}, []
    if column.plain:
        values["plain"], comments = "true", ["with a decimal point"]
    if column.name not in roles and not (column.feature and reason is None):
        values["feature"] = str(column.feature).lower()
        comments += [f"{reason}; {'learned from all the same' if column.feature else 'true to learn from it'}"]
    if len(values) == 1:
        return f'{key} = "{column.kind}"'
    return f"{key} = {{ {', '.join(f'{name} = {value}' for name, value in values.items())} }}   # {'; '.join(comments)}"
