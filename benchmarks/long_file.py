"""Compares a generated Parquet file of 20 GB (uncompressed) with a small reference: peak memory and time."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP = 1_000_000
BYTES_A_ROW = 4 * 8 + 4
"""Four doubles and the code of a category."""
REFERENCE_ROWS = 1_000_000


def write(path: Path, rows: int, seed: int) -> None:
    """A file of so many rows, a million at a time."""
    rng = np.random.default_rng(seed)
    schema = pa.schema([*((f"x{k}", pa.float64()) for k in range(4)), ("c", pa.dictionary(pa.int32(), pa.string()))])
    names = pa.array([f"v{k}" for k in range(50)])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=["c"]) as writer:
        for start in range(0, rows, GROUP):
            many = min(GROUP, rows - start)
            columns = [rng.normal(k, 1, many) for k in range(2)] + [rng.lognormal(0, 1, many), rng.gamma(2, 1, many)]
            codes = pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 50, many), pa.int32()), names)
            writer.write_table(pa.table([*map(pa.array, columns), codes], schema=schema))


def main() -> None:
    """Write both files, compare them in a process of its own, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-bench-", dir=arguments.folder) as name:
        folder = Path(name)
        write(folder / "reference.parquet", REFERENCE_ROWS, 1)
        write(folder / "current.parquet", int(arguments.gigabytes * 1e9 / BYTES_A_ROW), 2)
        command = [sys.executable, "-m", "daemon", "compare", str(folder / "reference.parquet")]
        done = subprocess.run(
            [*command, str(folder / "current.parquet"), "--json"], capture_output=True, text=True, check=False
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr)
        result = json.loads(done.stdout)
        size = (folder / "current.parquet").stat().st_size
    print(
        f"{result['current']['rows']:,} rows, {size / 1e9:.1f} GB: {result['seconds']:.0f} s, "
        f"{used.ru_utime + used.ru_stime:.0f} CPU seconds, peak memory {used.ru_maxrss / 2**20:.2f} GB, "
        f"drift {result['drift']}, KS errors {[c['tests'].get('ks', {}).get('error', 0) for c in result['columns']]}"
    )


if __name__ == "__main__":
    main()
