"""The public bench lfmm, its task of when to retrain: its models, its policies, and schedules that it is told.

Arguments: the stream (Parquet, the target last, two classes), batches, initial ones, how many batches labels are late,
where its models are kept, and a file of JSON: schedules by name, each the batches after which another model served.

A batch is a week: the bench then trains on a random 70 % of all complete weeks and watches with the rest. Labels of the
initial batches are there from the start; the others come on the last day of the week that they are due in, so that a
retrain at its end knows them."""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lfmm.detectors import default_detectors
from lfmm.retrain import Always, Every, ModelBank, Never, OnAlarm, Policy, build_bank, evaluate_policies
from lfmm.streams.base import Stream

MONDAY = np.datetime64("2020-01-06", "ns")
WEEK, UNTIL_LAST_DAY = np.timedelta64(7, "D"), np.timedelta64(5, "D")
FREQUENCY, PERIODS = "W", (3, 5, 7, 10)
EVENT = ("roc_auc", 0.02)
"""By its experiments: what an estimator's alarm is for."""
RHOS = (0.25, 1.0, 4.0)


class Told(Policy):
    """A schedule that is given."""

    def __init__(self, name: str, after: list[int]) -> None:
        self.name, self.after = name, set(after)

    def retrain(self, bank: ModelBank, t: int, k: int) -> bool:
        """Whether another model serves from the next week on."""
        del bank, k
        return t in self.after


def stream_of(path: Path, batches: int, initial: int, delay: int) -> Stream:
    """The rows as the bench takes them."""
    table = pd.read_parquet(path)
    X, y = table.iloc[:, :-1].copy(), table.iloc[:, -1]
    for name in X.columns:
        if not pd.api.types.is_numeric_dtype(X[name]):
            X[name] = X[name].astype("category")
    edges = np.linspace(0, len(table), batches + 1).astype(int)
    week = np.repeat(np.arange(batches), np.diff(edges))
    late = np.where(week < initial, 0, delay)
    event = MONDAY + week * WEEK
    positive = sorted(y.unique())[-1]
    return Stream(path.stem, X, (y == positive).to_numpy(float), event, event + UNTIL_LAST_DAY + late * WEEK)


def models(stream: Stream, initial: int, kept: Path) -> ModelBank:
    """Trained once."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        bank = build_bank(stream, pd.Timestamp(MONDAY + initial * WEEK), FREQUENCY, verbose=False)
        joblib.dump(bank, kept.with_suffix(".tmp"), compress=3)
        kept.with_suffix(".tmp").replace(kept)
    return joblib.load(kept)


def policies() -> list[Policy]:
    """All that the bench offers."""
    names = [detector.name for detector in default_detectors(*EVENT, freq=FREQUENCY)]
    alarms = [
        OnAlarm(lambda place=place: default_detectors(*EVENT, freq=FREQUENCY)[place], name)
        for place, name in enumerate(names)
    ]
    return [Never(), Always(), *map(Every, PERIODS), *alarms]


def main(stream: str, batches: str, initial: str, delay: str, kept: str, told: str) -> None:
    """Print one line of JSON: by price and policy its cost and regret, as the bench has them."""
    warnings.simplefilter("ignore")
    bank = models(stream_of(Path(stream), int(batches), int(initial), int(delay)), int(initial), Path(kept))
    schedules = [Told(name, after) for name, after in json.loads(Path(told).read_text("utf-8")).items()]
    run = [Never(), Always(), *schedules] if schedules else policies()
    table = evaluate_policies(bank, run, RHOS)
    told = {"gain": table.attrs["gain_per_retrain"], "helps": bool(table.attrs["retraining_helps"])}
    told |= {"periods": table.attrs["periods"], "rows": table.to_dict("records")}
    print(json.dumps(told | {"version": version("lfmm")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
