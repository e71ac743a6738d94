"""The time of one answer of implicit, the user folded in. Standalone: log, then how many people; prints JSON."""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from folded import Folded


def main(file: str, people: int) -> None:
    """Milliseconds of each answer: their median."""
    folded = Folded(file)
    took = []
    for user in range(people):
        started = time.perf_counter()
        folded.best(user, 10)
        took.append(time.perf_counter() - started)
    print(json.dumps({"ms": float(np.median(took)) * 1e3, "version": version("implicit")}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
