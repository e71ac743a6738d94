"""The arrays of a version's Reference: one .npy file each, read memory-mapped."""

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain import durable
from retrain.records.predictions import Floats


def write_arrays(folder: Path, arrays: Mapping[str, Floats]) -> None:
    """Write each array to `folder`/NAME.npy."""
    durable.make_folder(folder, "evaluate.reference_folder")
    for name, values in sorted(arrays.items()):
        temporary = folder / f".{name}.tmp"
        durable.crash_point("evaluate.reference_array.before_write")
        with temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        durable.publish_file(temporary, folder / f"{name}.npy", "evaluate.reference_array")


def read_arrays(folder: Path, names: Iterable[str]) -> dict[str, Floats]:
    """The arrays of these names; they stay on disk."""
    paths = {name: folder / f"{Path(name).name}.npy" for name in names}
    return {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()}


def release_pages(*arrays: NDArray[Any]) -> None:
    """Let the system have back the pages of memory-mapped arrays; they are read again when needed."""
    for values in arrays:
        base: object = values
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") and values.nbytes:
            begin, end = (edge - _address(base) for edge in np.lib.array_utils.byte_bounds(values))
            begin -= begin % mmap.PAGESIZE
            base.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def _address(mapped: mmap.mmap) -> int:
    return int(np.frombuffer(mapped, dtype=np.uint8).__array_interface__["data"][0])
