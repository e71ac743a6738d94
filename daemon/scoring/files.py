"""Files scored by command: each result under its own name, whole or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from daemon.scoring.names import REJECTS, is_of_a_result, passing, result_name
from daemon.scoring.score import Scored, Scorer, where
from daemon.scoring.written import out_kind
from drift.notation import counted
from retrain import durable
from retrain.records.errors import Refused, WrongUse

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """A file and what is to be made of it."""

    source: Path
    out: Path

    @property
    def rejects(self) -> Path:
        """The list of its rows that cannot be answered."""
        return self.out.with_name(self.out.name + REJECTS)


def jobs(sources: Sequence[Path], out: Path, force: bool) -> list[Job]:
    """One file into the file `out`, or each into the folder of that name. WrongUse where a result is there already,
    unless by `force`, where two would have one name, or where a result would be one of the files."""
    if len(sources) == 1 and not out.is_dir() and out.suffix:
        made = [Job(sources[0], out)]
    elif out.suffix and not out.is_dir():
        raise WrongUse(f"{out} is one file, and {len(sources)} are scored; name a folder, such as -o {out.stem}/")
    else:
        made = [Job(source, out / result_name(source)) for source in sources]
    for job in made:
        out_kind(job.out)
        if is_of_a_result(job.out.name):
            raise WrongUse(f"{job.out} is called as the list of another result is; name another result")
    _refuse_alike(made)
    for job in made:
        for path in (job.out, job.rejects):
            if any(_is_same(path, source) for source in sources):
                raise WrongUse(f"{path} is a file that is scored; name another result")
            if path.is_dir():
                raise WrongUse(f"{path} is a folder; name another result")
            if path.exists() and not force:
                raise WrongUse(f"{path} is there already; --force replaces it")
    return made


class NotAll(Refused):
    """A file of which a row cannot be answered, where all must be."""


def score_file(job: Job, scorer: Scorer, strict: bool, force: bool, progress: Progress) -> Scored:
    """Score a file and give the result its name; what a killed command left is written over by the next. Refused, with
    the file's name, where it is beyond repair; NotAll, where `strict`, if a row cannot be answered. Then nothing is
    there."""
    try:
        return _scored(job, scorer, strict, force, progress)
    except Refused as error:
        if str(job.source) in error.message:
            raise
        raise type(error)(f"{job.source}: {error.message}", error.hint) from None


def _scored(job: Job, scorer: Scorer, strict: bool, force: bool, progress: Progress) -> Scored:
    durable.make_folder(job.out.parent, "score.folder")
    temporary = [passing(path) for path in (job.out, job.rejects)]

    def show(done: int, of: int) -> None:
        progress(job.source.name, done, of)

    with contextlib.ExitStack() as stack:
        out, rejected = (stack.enter_context(_alone(path)) for path in temporary)
        scored = scorer.score(job.source, job.out.name, out, rejected, show)
        if strict and scored.rejected:
            reason = f"{counted(scored.rejected, 'row')} cannot be answered; the first: {where(scored.first[0])}"
            raise NotAll(reason, "without --strict these are listed beside the result")
        if (there := next((path for path in (job.out, job.rejects) if path.exists()), None)) and not force:
            raise WrongUse(f"{there} came to be meanwhile; --force replaces it")
        for sink in (out, rejected):
            sink.flush()
        _publish(job, temporary, scored)
    return scored


def _publish(job: Job, temporary: Sequence[Path], scored: Scored) -> None:
    """The result comes last: where it is, all is."""
    if scored.rejected:
        durable.publish_file(temporary[1], job.rejects, "score.rejects")
    else:
        job.rejects.unlink(missing_ok=True)
    durable.publish_file(temporary[0], job.out, "score.answers")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[IO[bytes]]:
    """A new file that no other process writes at the same time; it is removed if it got no other name."""
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another driftd writes {path.name[1:].removesuffix('.tmp')} now", "wait for it") from None
        mine = os.fstat(file.fileno())
        with path.open("r+b") as plain:
            try:
                yield plain
            finally:
                with contextlib.suppress(OSError):
                    if path.stat().st_ino == mine.st_ino:
                        path.unlink()


def _refuse_alike(made: Sequence[Job]) -> None:
    names = [path for job in made for path in (job.out, job.rejects)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise WrongUse(f"two files would become {twice}; score them one by one")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
