"""A challenger on trial beside the champion."""

from dataclasses import dataclass

from retrain.records.deployment import Deployment


@dataclass(frozen=True)
class TrialCounts:
    """What the servers count of a challenger on trial. `rows` it answered, in shadow or in place of the champion;
    `failures` are requests on which it failed, `error` the last of them; `compared` rows were answered by both, in
    `challenger_s` and `champion_s` seconds; `differed` is the sum over these of 1 for another class, or of the absolute
    difference of two numbers; `skipped` rows were not compared for want of time."""

    rows: int = 0
    failures: int = 0
    compared: int = 0
    differed: float = 0.0
    skipped: int = 0
    champion_s: float = 0.0
    challenger_s: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """A challenger beside the champion, on the terms that held when it began: not decided before `until`, nor before
    `min_rows` rows unless `latest` is over. `outcome` is promoted, dropped or ended (by hand); "" while it runs."""

    id: int
    cycle: int
    deployment: Deployment
    strategy: str
    share: float
    since: float
    until: float
    latest: float
    min_rows: int
    max_failures: int
    counts: TrialCounts = TrialCounts()
    outcome: str = ""
    reason: str = ""
    finished_at: float | None = None

    @property
    def version(self) -> str:
        """The challenger's name."""
        return self.deployment.name
