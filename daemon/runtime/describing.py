"""Has what is described beside the ledger follow it: of each model which deployment is promoted, which challenger is on
trial, and of one that recommends the files that its counters are made of. Servers read these files, and nothing else.

Whoever writes them may fetch what they name before: on a host where another one's ledger is followed."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from daemon.config.config import Config, items_name
from daemon.ledger import Ledger, Version, Watch, forgotten, promotions, trials
from daemon.ledger import files as ledger_files
from daemon.runtime.counted import Counted, CountedFile, describe_counted
from daemon.runtime.promoted import describe, describe_trial, described, described_trial, forget_all_but
from retrain import durable
from retrain.records.deployment import Champion, Deployment
from retrain.records.errors import Retry
from retrain.records.trial import Trial

RETRY_S, CLOSE_S = 2.0, 2.0
RESTS = 20.0
"""After it was read which files recommenders count, that rests so many times as long as it took."""
ALL = 2**62


@dataclass(frozen=True)
class Recorded:
    """A model as the ledger has it; `counted` of one that recommends."""

    champion: Champion | None
    trial: Trial | None
    counted: Counted | None


@dataclass(frozen=True)
class Looked:
    """What came of a look: of which models all is described that changed, why not of others, and whether servers have
    anything to look for."""

    done: Mapping[str, Recorded] = field(default_factory=dict)
    failures: tuple[Exception, ...] = ()
    is_news: bool = False


class Bring(Protocol):
    """What is asked before something is described; OSError or Retry where that cannot be had now."""

    def versions(self, model: str, deployment: Deployment) -> None:
        """Have the versions of a deployment."""

    def files(self, names: Collection[str]) -> None:
        """Have these files, below the state folder."""


class Describing:
    """Of the models of the configuration as it is now; called in threads. Models are compared one by one: in a database
    numbers become visible out of their order. What cannot be described is tried again."""

    def __init__(self, config: Callable[[], Config], ledger: Ledger, bring: Bring | None = None) -> None:
        self._config, self._ledger, self._bring = config, ledger, bring
        self._paths = config().paths
        self._turn = threading.Lock()
        self._watch: Watch | None = None
        self._version: Version = -1
        self._marks: dict[str, tuple[int, int]] = {}
        self._found: dict[str, Counted] = {}
        self._counted: dict[str, Counted] = {}
        self._again_s = self._rests_until_s = float("-inf")
        self._is_closed = False

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do before the ledger changes."""
        return self._again_s == float("inf")

    def look(self) -> Looked:
        """Describe what changed since the last look. An error of the ledger's: then nothing was looked at."""
        with self._turn:
            return Looked() if self._is_closed else self._look()

    def count(self, model: str) -> None:
        """Describe now which files are counted of a model; OSError, or an error of the ledger's."""
        with self._turn, self._ledger.connect() as conn:
            self._describe_counted(model, counted(conn, model, items_name(self._config(), model)))

    def close(self) -> None:
        """Describe nothing more; waits for a look that is under way, but for none that hangs."""
        self._is_closed = True
        if self._turn.acquire(timeout=CLOSE_S):
            if self._watch is not None:
                self._watch.close()
            self._watch = None
            self._turn.release()

    def _look(self) -> Looked:
        version = self._current()
        if version == self._version and time.monotonic() < self._again_s:
            return Looked()
        with self._ledger.connect() as conn:
            recorded, marks, is_resting = self._read(conn)
        self._version, self._again_s = version, self._rests_until_s if is_resting else float("inf")
        done, failures, is_news = dict[str, Recorded](), list[Exception](), False
        for model, one in recorded.items():
            if self._is_closed:
                break
            try:
                for change in self._changes(model, one):
                    is_news = change() or is_news
            except (OSError, Retry) as error:
                failures.append(error)
                self._again_s = time.monotonic() + RETRY_S
            else:
                done[model], self._marks[model] = one, marks[model]
        if (done or not failures) and not self._paths.described.exists():
            durable.write_file(self._paths.described, b"", "described")
        return Looked(done, tuple(failures), is_news)

    def _current(self) -> Version:
        """Another one after each commit; on a connection of its own, for threads share none."""
        if self._watch is None:
            self._watch = self._ledger.watch()
        return self._watch.version()

    def _read(self, conn: Connection) -> tuple[dict[str, Recorded], dict[str, tuple[int, int]], bool]:
        """What changed of which models, which two questions show for all of them; and whether it rests to read what
        recommenders count."""
        config = self._config()
        promoted, running = promotions.newest_ids(conn), trials.running_by_model(conn)
        if not self._marks:
            forget_all_but(self._paths, promoted)
        marks = {name: (promoted.get(name, 0), running.get(name, 0)) for name in config.models}
        changed = {name for name, mark in marks.items() if mark != self._marks.get(name)}
        counting = [name for name, one in config.models.items() if one.task == "recommendation"]
        is_resting = bool(counting) and (began_s := time.monotonic()) < self._rests_until_s
        if counting and not is_resting:
            self._found = {name: counted(conn, name, items_name(config, name)) for name in counting}
            self._rests_until_s = time.monotonic() + RESTS * (time.monotonic() - began_s)
        changed |= {name for name, one in self._found.items() if one != self._counted.get(name)} & marks.keys()
        return {
            name: Recorded(promotions.champion(conn, name), trials.running(conn, name), self._found.get(name))
            for name in changed
        }, marks, is_resting  # fmt: skip

    def _changes(self, model: str, one: Recorded) -> Iterable[Callable[[], bool]]:
        """Each says whether servers are to look. The files a recommender counts come before what answers with them; a
        trial's end after its promotion, and its challenger where the champion has nothing to wait for."""
        if one.counted is not None:
            yield partial(self._describe_counted, model, one.counted)
        if one.champion is not None:
            yield partial(self._describe_champion, model, one.champion)
        yield partial(self._describe_trial, model, one.trial)

    def _describe_counted(self, model: str, found: Counted) -> bool:
        if found != self._counted.get(model):
            if self._bring is not None:
                self._bring.files(found.snapshots)
            describe_counted(self._paths, model, found)
            self._counted[model] = self._found[model] = found
        return False  # servers look at these files themselves

    def _describe_champion(self, model: str, champion: Champion) -> bool:
        if champion == described(self._paths, model):
            return False
        self._have_versions(model, champion.deployment)
        describe(self._paths, champion)
        return True

    def _describe_trial(self, model: str, trial: Trial | None) -> bool:
        before = described_trial(self._paths, model)
        if _named(before) == _named(trial):
            return False
        if trial is not None:
            self._have_versions(model, trial.deployment)
        describe_trial(self._paths, model, trial)
        return True

    def _have_versions(self, model: str, deployment: Deployment) -> None:
        if self._bring is not None:
            self._bring.versions(model, deployment)


def _named(trial: Trial | None) -> tuple[int, Deployment] | None:
    """What tells trials apart, also those of a ledger that was restored; not what was seen of them."""
    return None if trial is None else (trial.id, trial.deployment)


def counted(conn: Connection, model: str, items: str | None) -> Counted:
    """What the ledger says: the accepted files of rows, the newest one of items at the path `items`, and who is
    forgotten."""
    rows = [row for row in ledger_files.usable(conn, model, ALL) if row.kind == "rows"]
    found = ledger_files.newest_items(conn, model, items) if items is not None else None
    return Counted(
        tuple(CountedFile(row.seq, row.snapshot, row.sha256, row.rows, row.source, row.accepted_at) for row in rows),
        None if found is None or found.seq is None or found.snapshot is None else (found.seq, found.snapshot),
        forgotten.marks_of(conn, model),
    )
