"""All that the planner may know about a model besides its own state and the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrain.records.assessment import Assessment
from retrain.records.cycle import Cycle
from retrain.records.deployment import Champion
from retrain.records.finished_check import FinishedCheck
from retrain.records.schema_change import PreparationChange, SchemaChange


@dataclass(frozen=True)
class CycleResult:
    """How the last finished cycle that trained came out. `z` is the challenger's gain over what was served, in standard
    errors; `handicap` how much less the version costs than its twin (≤ 0); None where unknown."""

    cycle: int
    promoted: bool
    z: float | None = None
    handicap: float | None = None

    @classmethod
    def of(cls, cycle: int, promoted: bool, result: Mapping[str, Any]) -> "CycleResult":
        """Of the evaluate stage's result; no z where there was no champion, or where its gain has no spread.

        >>> CycleResult.of(3, True, {"difference": 0.02, "difference_se": 0.01}).z
        2.0
        """
        spread = result["difference_se"]
        z = None if not spread else result["difference"] / spread
        return cls(cycle, promoted, z, result.get("handicap"))


@dataclass(frozen=True)
class Elsewhere:
    """Of a model that another system serves: the files that a reference is made of now, as the first and the last `seq`
    and their `rows`; the `version` that predicted the newest rows, and the one `before` that the reference is of (None:
    files do not say); `asked` are the ids of requests by hand for a new reference, and `why_new` says what else asks
    for one, "" for nothing."""

    rows: int = 0
    from_seq: int = 0
    to_seq: int = 0
    version: str | None = None
    before: str | None = None
    asked: tuple[int, ...] = ()
    why_new: str = ""


@dataclass(frozen=True)
class Adoption:
    """A pipeline that is to be adopted: `ids` of what is due, and what is known of it: its `file` and `digest`, the
    `folder` that has it, whether it `replace`s a champion, and how many `rows` came with it."""

    ids: tuple[int, ...]
    about: dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """All that the planner may know about a model besides its own state and the clock.

    `labelled_rows` and `class_rows` (asked for only before the first model) count accepted, unsuperseded, unheld
    rows; `new_labelled_rows` those that arrived after the newest file that the last cycle could use; `evidence` the
    checks newer than the state's `handled_check`, oldest first; `due` the ids of retrain schedules that are due;
    `manual` the ids of requests by hand; `adoption` what is to be adopted; `backlog` is the number of settled files
    still to be taken in. `assessments`
    are all that hold now of files after the state's `base_seq`, by seq; `batches` counts what was taken in since ever,
    as the budget does (see `retrain.rows.batches`); `proposal` is the newest one for what to serve, `proposal_id`
    its id; `drifting` says that a drift has begun and not ended; `retrained` is the last finished cycle that
    trained. `unloadable` says why the champion cannot be loaded in this environment; `changed` what the configuration
    made of its schema, `preparation` of what prepares its rows; `elsewhere` is of a model that another system
    serves."""

    labelled_rows: int
    new_labelled_rows: int
    class_rows: dict[str, int]
    newest_seq: int
    champion: Champion | None
    open_cycle: Cycle | None
    evidence: tuple[FinishedCheck, ...] = ()
    due: tuple[int, ...] = ()
    manual: tuple[int, ...] = ()
    adoption: Adoption | None = None
    paused: bool = False
    backlog: int = 0
    assessments: tuple[Assessment, ...] = ()
    proposal: dict[str, Any] | None = None
    proposal_id: int = 0
    drifting: bool = False
    retrained: CycleResult | None = None
    unloadable: str = ""
    changed: SchemaChange | None = None
    preparation: PreparationChange | None = None
    batches: float = 0.0
    elsewhere: Elsewhere = Elsewhere()
