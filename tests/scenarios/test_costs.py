"""Answers that cost unequally: from the configuration to what is answered and told."""

from pathlib import Path

import local_http
import numpy as np
from daemon_harness import FAST, Daemon, drop, rows

COSTLY = FAST + "[models.m.decision]\ncosts = { yes = 20 }\n"


def test_what_is_served_decides_by_costs_from_its_first_answer_on(tmp_path: Path) -> None:
    """The decision is recorded with the deployment: each answer follows it, and `status`, `explain`, `versions` and the
    model's metadata say it. A missed yes costs twenty times as much, so more are answered than without."""
    daemon = Daemon(tmp_path, COSTLY)
    try:
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        asked = [{key: row[key] for key in ("x", "z", "colour")} for row in rows(2, 300).to_pylist()]
        answer = local_http.post(f"{daemon.url}/models/m/predict", json={"rows": asked}).json()
        decision = local_http.get(f"{daemon.url}/v2/models/m").json()["decision"]
        given = np.array([one["yes"] for one in answer["probabilities"]])
        said = np.array(answer["predictions"]) == "yes"
        assert said.tolist() == (given >= decision["threshold"]).tolist() and decision["positive"] == "yes"
        assert decision["chosen"] and decision["threshold"] < 0.5 and said.mean() > (given >= 0.5).mean()
        assert decision["words"] in daemon.cli("explain", "1").stdout
        assert f"decides    {decision['words']}" in daemon.cli("status").stdout
        assert decision["words"] in Path(daemon.json("versions", "m")[0]["path"], "card.md").read_text("utf-8")
    finally:
        daemon.close()
