"""What was served before a promotion is compared with what is served, so that a worse version goes back."""

from pathlib import Path

import learning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.model.deployment import LoadedDeployment, fair_decision
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.cache import Memory
from retrain.monitoring.file_assessment import assess_pool
from retrain.operations import AcceptedFile
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.store.versions import load_version


def test_a_decision_that_is_new_condemns_no_version(tmp_path: Path) -> None:
    """Costs that were added to a running model: what is served follows them, what was served before did not, and the
    recorded metric does not know them. A version is compared with itself, and does not differ."""
    version = load_version(learning.published(tmp_path, metric="accuracy"))
    settings = ModelSettings.model_validate(
        {"data_dir": "d", "task": "classification", "target": "y", "decision": {"costs": {"yes": 20}}}
    )
    made = learning.rows(200, seed=5)
    numbers = pa.array(np.arange(1, len(made) + 1))
    pq.write_table(learning.table(made).append_column("__row", numbers), tmp_path / "1.parquet")
    file = AcceptedFile(seq=1, snapshot=tmp_path / "1.parquet", digest="new", rows=len(made))
    weights, rule = {version.name: 1.0}, fair_decision(version, settings)
    served = LoadedDeployment({version.name: version}, weights, version.name, rule)
    before = LoadedDeployment({version.name: version}, weights, version.name)
    history = History([file], learning.schema("classification"))
    assessor = Assessor(history, served, {}, settings, {}, Memory(), predecessor=before)
    found = assess_pool(assessor, [1])
    assert version.metric.name == "accuracy" and rule is not None
    assert found is not None and found["rival"][0] == 0.0
