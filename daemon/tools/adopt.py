"""Brings a fitted pipeline into the state folder: what `driftd adopt` does before it asks the service to serve it."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.config.config import Config
from daemon.config.paths import ABOUT, ROWS
from daemon.ledger import Ledger, models, promotions
from daemon.reading.marks import Marks
from daemon.reading.operations import TakeRequest
from daemon.runtime.forgotten import marks_in
from retrain import durable
from retrain.model.frames import LIBRARIES, installed_libraries
from retrain.records.errors import Refused
from retrain.records.schema import Schema, declared_schema
from retrain.records.settings import ModelSettings
from retrain.store.versions import write_json

MOST_BYTES = 4 * 10**9
TRUST = "--trust says that you know who wrote it"


@dataclass(frozen=True)
class Sources:
    """What the command line names: a `model` file, a file of `code`, the `function` in it that gives the pipeline."""

    model: Path | None
    code: Path | None
    function: str = ""

    @property
    def named(self) -> str:
        """What lineage calls it."""
        if self.function and self.code is not None:
            own = f"{self.code.name}:{self.function}"
            return own if self.model is None else f"{self.model.name} by {own}"
        assert self.model is not None
        return self.model.name


def sources_of(words: Sequence[str]) -> Sources:
    """The files that words name; Refused where they are none, or too many."""
    model, code, function = None, None, ""
    for word in words:
        path, _, name = word.rpartition(":")
        is_code = path.endswith(".py") or word.endswith(".py")
        file = Path(path if path.endswith(".py") else word)
        if not file.is_file():
            raise Refused(f"{file}: no such file", "expected model.skops, model.joblib or file.py:function")
        if is_code and code is None:
            code, function = file, name if path.endswith(".py") else ""
        elif not is_code and model is None:
            model = file
        else:
            raise Refused(f"{word} is one file too many", "expected one model file, and at most one of code")
    if model is None and not function:
        raise Refused("no model file is named", "expected model.skops, model.joblib or file.py:function")
    return Sources(model, code, function)


def bring(
    config: Config, ledger: Ledger, model: str, sources: Sources, rows: Path | None, trust: bool, replaces: bool
) -> dict[str, Any]:
    """Copy the pipeline into the state folder, whole or not at all, and say what is known of it: the arguments of the
    command. Refused where it cannot be the model's; nothing is left then."""
    settings, paths = config.models[model], config.paths.model(model)
    if settings.task == "recommendation":
        raise Refused(f"{model} recommends: an adopted pipeline predicts")
    if settings.is_elsewhere:
        raise Refused(
            f"another system serves {model}: driftd adopts nothing for it",
            f'without `served = "elsewhere"` in [models.{model}] driftd serves what it adopts',
        )
    if settings.prepare is not None:
        raise Refused(f"{model} has a preparation, {settings.prepare}: an adopted pipeline prepares its rows itself")
    with ledger.connect() as conn:
        champion, stored = promotions.champion(conn, model), models.load_schema(conn, model)
        marks = marks_in(conn, config.paths, model)
    if champion is not None and not replaces:
        raise Refused(
            f"{model} has a champion, {champion.described}", "--replace puts the adopted pipeline in its place"
        )
    schema = declared_schema(settings) or (None if stored is None else Schema.from_json(stored))
    durable.make_folder(paths.adoptions, "adopt.folder")
    staged = paths.adoptions / f".{os.getpid()}"
    durable.remove(staged, "adopt.leftover")
    staged.mkdir()
    try:
        about = {"file": sources.named, "replaces": replaces} | _model(staged, sources, settings, trust)
        taken = {} if rows is None else _rows(staged, rows, schema, settings, marks)
        labels = taken.pop("labels", ())
        if taken:
            schema = Schema.from_json(taken["schema"])
        inputs = _proven(staged, about, schema, labels, settings)
        folder = hashlib.sha256(f"{about['digest']} {taken.get('rows_digest')}".encode()).hexdigest()[:32]
        about |= taken | {"inputs": list(inputs), "folder": folder}
        write_json(staged, ABOUT, about, "adopt.about")
        durable.publish_folder(staged, paths.adopted(folder), "adopt.publish")
    except BaseException:
        durable.remove(staged, "adopt.give_up")
        raise
    return about


def _model(staged: Path, sources: Sources, settings: ModelSettings, trust: bool) -> dict[str, Any]:
    """Copy model and code; which types are trusted, and the digest of both."""
    from retrain.store import adopted

    digest = hashlib.sha256()
    trusted: tuple[str, ...] = ()
    if sources.code is not None:
        if not trust:
            raise Refused(f"{sources.code.name} is code: driftd would run it", TRUST)
        (staged / adopted.CODE).mkdir()
        digest.update(durable.copy_file(sources.code, staged / adopted.CODE / sources.code.name, "adopt.code").encode())
    if sources.model is not None:
        size = sources.model.stat().st_size
        if size > MOST_BYTES:
            raise Refused(f"{sources.model} has {size:,} bytes; at most {MOST_BYTES:,}")
    if sources.function:
        _made(staged, sources)
    else:
        assert sources.model is not None
        trusted = _copied(staged, sources.model, settings, trust)
    model = staged / (adopted.SKOPS if (staged / adopted.SKOPS).is_file() else adopted.JOBLIB)
    source = model if sources.model is None else sources.model
    with source.open("rb") as file:
        own = hashlib.file_digest(file, "sha256").hexdigest()
    digest.update(own.encode())
    whole = own if sources.code is None else digest.hexdigest()
    return {"digest": whole, "trusted_types": list(trusted)}


def _copied(staged: Path, model: Path, settings: ModelSettings, trust: bool) -> tuple[str, ...]:
    """Copy a model file; the types that the user trusts by name."""
    from retrain.store import adopted

    if model.suffix != ".skops":
        if not trust:
            raise Refused(
                f"{model.name} is no .skops file: it is read as joblib, which runs whatever code it holds",
                f"{TRUST}; skops.io.dump(pipeline, 'model.skops') writes a file that needs no trust",
            )
        durable.copy_file(model, staged / adopted.JOBLIB, "adopt.model")
        return ()
    durable.copy_file(model, staged / adopted.SKOPS, "adopt.model")
    try:
        unknown = adopted.untrusted_types((staged / adopted.SKOPS).read_bytes(), settings.estimator.trusted_types)
    except Exception as error:
        raise Refused(f"{model} is no skops file: {error}", "skops.io.dump(pipeline, file) writes one") from error
    if unknown and not trust:
        raise Refused(
            f"{model.name} holds types that driftd does not know: {', '.join(unknown)}",
            "look them up; --trust trusts these in this file, estimator.trusted_types in all files of the model",
        )
    return tuple(unknown)


def _made(staged: Path, sources: Sources) -> None:
    """What the user's function gives, as a joblib file."""
    from retrain.store import adopted
    from retrain.user_code import importable

    code = adopted.code_of(staged)
    assert code is not None
    with importable(code, code.name):
        pipeline = adopted.made_by(code, sources.function, sources.model)
        durable.write_file(staged / adopted.JOBLIB, adopted.dumped(pipeline), "adopt.made")


def _rows(
    staged: Path, rows: Path, schema: Schema | None, settings: ModelSettings, marks: Marks | None
) -> dict[str, Any]:
    """Read a file of rows into the staged folder: how many there are, and by which schema."""
    from daemon.reading.take import take

    work = staged / "reading"
    work.mkdir()
    try:
        taken = take(TakeRequest(path=rows, schema=schema, settings=settings, work=work, forgotten=marks))
    except Refused as error:
        raise Refused(f"{rows}: {error.message}", error.hint) from None
    if taken.kind != "rows" or not taken.labelled_rows:
        raise Refused(f"{rows} has no labelled rows", f"expected rows with the target {settings.target!r}")
    durable.publish_file(taken.snapshot, staged / ROWS, "adopt.rows")
    durable.remove(work, "adopt.rows_work")
    return {
        "rows": taken.labelled_rows,
        "rows_file": rows.name,
        "rows_digest": taken.snapshot_digest,
        "schema": taken.schema.to_json(),
        "inferred": taken.inferred,
        "labels": tuple(taken.class_rows),
    }


def _proven(
    staged: Path, about: dict[str, Any], schema: Schema | None, labels: Sequence[str], settings: ModelSettings
) -> tuple[str, ...]:
    """The columns that the copy reads, after it was loaded as the service will; Refused where it does not fit, also the
    labels of the rows that came with it."""
    from retrain.store import adopted

    pipeline = adopted.load(staged, (*settings.estimator.trusted_types, *about["trusted_types"]))
    inputs = adopted.input_names(pipeline, schema, settings.task, settings.target)
    if settings.task == "classification":
        declared = None if schema is None else schema.column(settings.target).categories
        adopted.refuse_classes(pipeline, declared or labels)
    if not installed_libraries():
        raise Refused(
            f"an adopted pipeline reads data frames, and neither {' nor '.join(LIBRARIES)} is installed",
            "install the one that it was fitted with beside driftd: pip install 'driftd[pandas]'",
        )
    return inputs
