"""frouros' detectors with a retrain on alarm: of the stream of errors, and of the columns of each batch. Arguments: a
bank, batches that labels are late, and the stream."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from alarms import ErrorStream, report
from frouros.detectors import concept_drift as concepts
from frouros.detectors.data_drift import PSI, ChiSquareTest, KSTest
from walk import Bank, Floats, load

LEVEL, SIGNIFICANT_SHIFT = 0.05, 0.25
"""Of a test before Bonferroni; and the rule of thumb for the population stability index."""
ANY = {"CUSUM": (concepts.CUSUM, concepts.CUSUMConfig)}
BINARY = {
    "RDDM": (concepts.RDDM, concepts.RDDMConfig),
    "STEPD": (concepts.STEPD, concepts.STEPDConfig),
    "ECDD-WT": (concepts.ECDDWT, concepts.ECDDWTConfig),
    "HDDM_W": (concepts.HDDMW, concepts.HDDMWConfig),
}
OF_HITS = (concepts.STEPD,)
"""These are told what was right, not what was wrong."""


def drifted(detector: Any, value: float) -> bool:
    """Whether it alarms after one more error."""
    detector.update(value=1 - value if isinstance(detector, OF_HITS) else value)
    return bool(detector.status["drift"])


class Columns:
    """Tests of each column of a batch against the newest batches that the serving model knows. It needs no label."""

    def __init__(self, bank: Bank, table: pd.DataFrame, judge: Callable[[list[float], list[float]], bool]) -> None:
        self.bank, self.table, self.judge = bank, table, judge

    def __call__(self, batch: int, known: int, errors: Floats) -> bool:
        """After a batch."""
        del errors
        reference = slice(self.bank.rows(known - self.bank.initial).start, self.bank.rows(known - 1).stop)
        p, psi = [], []
        for name in self.table.columns:
            before, now = (self.table[name].iloc[rows].dropna() for rows in (reference, self.bank.rows(batch)))
            if before.nunique() < 2 or now.empty:
                continue
            numeric = pd.api.types.is_numeric_dtype(before)
            p.append(_p_value(before.to_numpy(), now.to_numpy(), numeric))
            psi.append(_psi(before.to_numpy(float), now.to_numpy(float)) if numeric else 0.0)
        return self.judge(p, psi)


def _p_value(before: Any, now: Any, numeric: bool) -> float:
    detector = KSTest() if numeric else ChiSquareTest()
    detector.fit(X=before)
    return float(detector.compare(X=now)[0].p_value)


def _psi(before: Floats, now: Floats) -> float:
    detector = PSI()
    detector.fit(X=before)
    return float(detector.compare(X=now)[0].distance)


JUDGES: dict[str, Callable[[list[float], list[float]], bool]] = {
    "KS, any column, Bonferroni": lambda p, psi: min(p, default=1.0) * len(p) < LEVEL,
    "KS, half of the columns": lambda p, psi: sum(one < LEVEL for one in p) * 2 >= len(p) > 0,
    "PSI, any column over .25": lambda p, psi: max(psi, default=0.0) > SIGNIFICANT_SHIFT,
}


def main(bank_path: str, delay: str, stream: str) -> None:
    """Each detector with its defaults; those of columns by the three usual rules."""
    bank, table = load(bank_path), pd.read_parquet(stream).iloc[:, :-1]
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].astype(str)
    makers = ANY | (BINARY if bank.binary_errors else {})
    rules: dict[str, Callable[[], Any]] = {
        name: lambda kind=kind, config=config: ErrorStream(lambda: kind(config=config()), drifted)
        for name, (kind, config) in makers.items()
    }
    rules |= {name: lambda judge=judge: Columns(bank, table, judge) for name, judge in JUDGES.items()}
    np.seterr(all="ignore")
    report("frouros", bank, int(delay), rules)


if __name__ == "__main__":
    main(*sys.argv[1:])
