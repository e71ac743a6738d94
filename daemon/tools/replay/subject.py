"""What is replayed: the settings of one model, from a configuration or inferred as `driftd init` would."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote

from daemon.config.config import Config
from daemon.config.mistakes import meant
from daemon.reading.local_formats.findings import read_with
from daemon.tools.init import look_at, model_name
from daemon.tools.replay.label_times import LabelTimes
from retrain.records.errors import WrongUse
from retrain.records.settings import ModelSettings


@dataclass(frozen=True)
class Subject:
    """One model's settings; `name` is what people call this configuration, `model` its section, `config_dir` what the
    paths of the user's own metric and estimator are relative to, `notes` say what a replay does otherwise. Columns to
    `ignore` are not learned from; where `columns` are named, they alone are."""

    name: str
    model: str
    settings: ModelSettings
    config_dir: Path
    notes: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    configured: bool = True


def inferred_subject(file: Path, target: str, task: str) -> Subject:
    """The configuration that `driftd init` would write for this file. Refused where it has no such column."""
    inferred = look_at(file, target, task)
    settings = ModelSettings.model_validate(
        {
            "data_dir": ".", "task": inferred.task, "target": target, "time_column": inferred.time_column,
            "id_column": inferred.id_column,
        }
    )  # fmt: skip
    roles = (("time", inferred.time_column), ("id", inferred.id_column))
    notes = tuple(f"{column!r} is taken as the {role} column: not learned from" for role, column in roles if column)
    formats = read_with(inferred.schema.formats)
    told = [formats] if formats else []
    told += [str(finding) for finding in inferred.findings if not finding.column or finding.level == "assumed"]
    notes += tuple(f"{file.name}: {text}" for text in told)
    return Subject("default", model_name(file.name.split(".")[0]), settings, Path.cwd(), notes, configured=False)


def configured_subject(config: Config, model: str | None, target: str, task: str) -> Subject:
    """The named model of a configuration, else the only one, else the only one that predicts `target`. WrongUse says
    what does not fit the configuration."""
    name = _chosen(config, model, target)
    settings = config.models[name]
    if settings.is_elsewhere:
        raise WrongUse(_not_replayed(name, settings))
    for key, wanted in (("target", target), ("task", task)):
        configured = getattr(settings, key)
        if wanted and wanted != configured:
            hint = f"leave --{key} out"
            raise WrongUse(f"[models.{name}] of {config.path} has {key} {configured!r}, not {wanted!r}; {hint}")
    subject = Subject(config.path.stem, name, settings, config.path.parent)
    return replace(subject, settings=settings.model_copy(update={"mode": "auto"}), notes=tuple(_notes(settings)))


def _not_replayed(name: str, settings: ModelSettings) -> str:
    """Of a model that another system serves: how models of driftd's own are replayed, which must not see what that
    predicted."""
    theirs = settings.prediction_column, *settings.probability_columns.values(), settings.version_column
    ignored = " ".join(f"--ignore {quote(column)}" for column in theirs if column is not None)
    command = f"driftd replay FILE… --target {quote(settings.target)} {ignored}"
    return (
        f"another system serves {name}, and what it predicted is not replayed; whether models of driftd's own would "
        f"have paid is told without the configuration: `{command}`"
    )


def named_apart(subjects: Sequence[Subject]) -> list[Subject]:
    """The same, each by a name of its own."""
    taken: dict[str, int] = {}
    named = []
    for subject in subjects:
        taken[subject.name] = taken.get(subject.name, 0) + 1
        again = taken[subject.name]
        named.append(subject if again == 1 else replace(subject, name=f"{subject.name} ({again})"))
    return named


def _chosen(config: Config, model: str | None, target: str) -> str:
    if model is not None:
        if model not in config.models:
            raise WrongUse(f"no model {model!r} in {config.path}{meant(model, list(config.models))}")
        return model
    fitting = [name for name, one in config.models.items() if not target or one.target == target]
    if len(fitting) == 1:
        return fitting[0]
    if len(config.models) == 1:
        return next(iter(config.models))
    raise WrongUse(f"{config.path} has several models; name one with --model: {', '.join(config.models)}")


def _notes(settings: ModelSettings) -> list[str]:
    notes = []
    if settings.mode != "auto":
        notes.append(f'mode is "{settings.mode}": the replay promotes what the gate lets through, as in mode "auto"')
    if settings.retrain_schedule is not None:
        notes.append("retrain_schedule is not replayed: batches have no time of day; compare with --baselines every7")
    return notes


@dataclass(frozen=True)
class Request:
    """What to replay. `batches` cuts a single file; several files are a batch each."""

    files: Sequence[Path]
    subject: Subject
    batches: int | None = None
    initial: int = 4
    times: LabelTimes = field(default_factory=LabelTimes)
    baselines: Sequence[str] = ("never", "every")
    variants: Sequence[Subject] = field(default_factory=tuple)
    suggest: bool = False
    approve_classes: bool = False
    executor: Config | None = None
    """A configuration whose `[service] executor` plays the variants; None: they are played here."""
