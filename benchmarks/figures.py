"""A measured figure with its target, and the machine that it was measured on."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("duckdb", "numpy", "pyarrow", "scikit-learn", "scipy", "sqlalchemy", "watchdog")


@dataclass(frozen=True)
class Figure:
    """One measurement; it should be at most `target`, in the same unit."""

    name: str
    value: float
    unit: str
    target: float
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target holds."""
        return self.value <= self.target


@dataclass(frozen=True)
class Goal:
    """A figure with its target: at least, or at most."""

    name: str
    value: float
    unit: str
    target: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the target holds."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def words(self) -> tuple[str, str, str]:
        """What was measured, the target, and whether it is met."""
        sign, met = "≥" if self.at_least else "≤", "met" if self.met else "missed"
        return f"{self.value:.3g} {self.unit}", f"{sign} {self.target:g} {self.unit}", met


def machine() -> dict[str, str]:
    """What the figures depend on: processor, memory, system and the versions of what does the work."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} at the start",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
