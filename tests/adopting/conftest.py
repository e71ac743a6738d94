"""What a process without pandas cannot import is collected only where it is run, see `test_adopting.py`."""

from importlib.util import find_spec

CASES = ["adopt_cases.py", "kill_cases.py", "page_cases.py", "pipelines.py", "prepare_cases.py"]
collect_ignore = [] if find_spec("pandas") and find_spec("polars") else CASES
