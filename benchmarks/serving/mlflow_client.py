"""Run by mlflow's own environment: MLflow's scoring client against driftd, before anything is timed.

`python mlflow_client.py HOST:PORT MODEL ROWS.json`, where ROWS.json holds {"columns": [...], "data": [[...]]};
prints the predictions as JSON."""

import json
import sys
from pathlib import Path

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def main() -> None:
    """Ping, ask for the version, and score a data frame."""
    address, model, path = sys.argv[1:4]
    host, _, port = address.partition(":")
    client = ScoringServerClient(host, f"{port}/models/{model}")
    client.wait_server_ready(timeout=10)
    client.get_version()
    told = json.loads(Path(path).read_text())
    answer = client.invoke(pd.DataFrame(told["data"], columns=told["columns"]))
    print(json.dumps(answer.get_predictions()[0].tolist()))


if __name__ == "__main__":
    main()
