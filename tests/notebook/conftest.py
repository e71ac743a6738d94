"""What runs in a process of its own is collected only there."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("pandas") and find_spec("nbformat") else ["frames_cases.py", "in_kernel.py"]
