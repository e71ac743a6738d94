"""What runs in a process of its own is collected only there; and one service for all of it."""

from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("pandas") and find_spec("polars") else ["*_cases.py", "pipelines.py"]


@pytest.fixture(scope="session")
def adopted(tmp_path_factory):
    """A service that adopted a pipeline of each kind before it had any data of them, and that trained a first model, m,
    on what the user's code makes of its rows; and the pipelines."""
    from adopting.adopt_cases import KINDS, adopted_before_data, sections
    from adopting.prepare_cases import COLUMNS, CONFIG, PANDAS, drop, rows
    from daemon_harness import Daemon

    folder = tmp_path_factory.mktemp("adopted")
    (folder / "features.py").write_text(PANDAS)
    made = Daemon(folder, CONFIG + COLUMNS + sections(folder, *KINDS), columns=False)
    try:
        drop(rows(1), folder / "data", "a.csv")
        made.start()
        made.wait("model_swapped", model="m")
        pipelines = adopted_before_data(made, *KINDS)
        yield made, pipelines
    finally:
        made.close()
