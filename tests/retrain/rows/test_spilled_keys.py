"""Keys of more rows than fit in memory."""

import numpy as np
import pyarrow as pa

from retrain.rows import spilled_keys
from retrain.rows.row_index import ByOrder
from retrain.rows.spilled_keys import SpilledKeys, cell_hashes


def test_the_last_row_of_each_key_is_the_one_that_stays(tmp_path, monkeypatch):
    """However they are spread over files, and files over readings; also where a few keys have all rows."""
    monkeypatch.setattr(spilled_keys, "BUCKET_ROWS", 37)
    rng = np.random.default_rng(0)
    for name, distinct in (("many", 400), ("few", 3)):
        folder = tmp_path / name
        folder.mkdir()
        keys = rng.integers(0, 2**64, distinct, dtype=np.uint64)[rng.integers(0, distinct, 1000)]
        spilled = SpilledKeys(folder, 1000)
        for start in range(0, 1000, 90):
            part = keys[start : start + 90]
            spilled.add(part, np.arange(start, start + len(part)))
        last = {key: place for place, key in enumerate(keys.tolist())}
        assert (~spilled.older(1000)).nonzero()[0].tolist() == sorted(last.values())


def test_cells_are_alike_in_any_piece():
    """Whatever the dictionary, and whether numbers are whole or have a point; a missing one is like no other."""
    texts = pa.chunked_array([pa.array(["a", "b", None]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()])
    a, b, missing, again_b, again_a = cell_hashes(texts).tolist()
    assert a == again_a and b == again_b and len({a, b, missing}) == 3
    assert cell_hashes(pa.array([1, 2, None])).tolist() == cell_hashes(pa.array([1.0, 2.0, None])).tolist()


def test_times_by_the_order_of_arrival_are_kept_as_that():
    """To the bit; other times are not taken for such."""
    times = 1234 + np.arange(5_000_000)[::7] / 5_000_000
    found = ByOrder.of(1234, 5_000_000, times)
    assert found is not None and np.array_equal(found.all, times)
    assert ByOrder.of(1234, 5_000_000, times + 1e-9) is None
