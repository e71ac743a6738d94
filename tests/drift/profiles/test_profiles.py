"""Profiles keep what they promise when merged, shuffled, bounded and written down."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.check.check_columns import check_columns
from drift.derived.outputs import output_columns
from drift.profiles.categorical import categorical_profile, encode
from drift.profiles.numeric import NumericProfile, numeric_profile
from drift.profiles.parts import CELLS, bins_of
from drift.profiles.profile import merge
from drift.profiles.reference import Reference, build_reference, with_files
from drift.profiles.serialization import pack
from drift.statistics.bins import bin_counts, decile_edges
from drift.statistics.samples import Sample

values = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=60)
words = st.lists(st.sampled_from(["a", "b", "é", "", None]), max_size=60)


def _same(a: NumericProfile, b: NumericProfile) -> None:
    assert (a.count, a.missing, a.infinite) == (b.count, b.missing, b.infinite)
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_allclose([a.minimum, a.maximum], [b.minimum, b.maximum])
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(a.m2, b.m2, rtol=1e-6, atol=1e-3)


@given(values, values)
@settings(deadline=None)
def test_merged_profiles_equal_the_profile_of_all(left: list[float], right: list[float]) -> None:
    """Merging two numeric profiles is profiling both together, in either order."""
    whole = numeric_profile(np.array(left + right))
    parts = numeric_profile(np.array(left)), numeric_profile(np.array(right))
    _same(merge(*parts), whole)
    _same(merge(*reversed(parts)), whole)


@given(values, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_rows_does_not_matter(rows: list[float], random: object) -> None:
    """A permutation of the rows gives bit for bit the same profile."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    a, b = numeric_profile(np.array(rows)), numeric_profile(np.array(shuffled))
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_equal((a.mean, a.m2, a.missing, a.infinite), (b.mean, b.m2, b.missing, b.infinite))


@given(words, words)
@settings(deadline=None)
def test_merged_categories_equal_those_of_all(left: list[str | None], right: list[str | None]) -> None:
    """Merging categorical profiles adds counts and missing rows."""
    parts = categorical_profile(encode(left)), categorical_profile(encode(right))
    assert merge(*parts) == categorical_profile(encode(left + right))


def test_kinds_do_not_mix() -> None:
    """A numeric and a categorical profile refuse to merge."""
    with pytest.raises(TypeError, match="cannot be merged"):
        merge(numeric_profile(np.zeros(2)), categorical_profile(encode(["a"])))


def test_bounded_profile_stays_close() -> None:
    """Beyond the bound the kept values are evenly spaced order statistics: ranks are off by under 1/bound."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=50_000)
    bounded = numeric_profile(data, max_values=1_000)
    halves = merge(numeric_profile(data[:30_000], 1_000), numeric_profile(data[30_000:], 1_000))
    for profile, off in ((bounded, 0.001), (halves, 0.003)):
        assert len(profile.values) == 1_000 and profile.count == 50_000
        ranks = np.searchsorted(np.sort(data), profile.values) / 50_000
        assert np.max(np.abs(ranks - (np.arange(1_000) + 0.5) / 1_000)) < off
    assert halves.mean == pytest.approx(data.mean(), abs=1e-12)


def test_bounded_categories_count_the_rest() -> None:
    """The most frequent categories are kept, the rows of the others are told as other."""
    profile = categorical_profile(encode(["a"] * 5 + ["b"] * 3 + ["c", "d"]), max_categories=2)
    assert (profile.counts, profile.other, profile.rows) == ({"a": 5, "b": 3}, 2, 10)


def test_nothing_at_all() -> None:
    """No rows and only missing rows are profiles too."""
    for rows in ([], [math.nan] * 3, [math.inf]):
        profile = numeric_profile(np.array(rows))
        assert profile.count == 0 and profile.rows == len(rows) and math.isnan(profile.mean)


def test_bins_are_deciles_and_give_common_values_their_own() -> None:
    """Bins hold a tenth of the reference each; a value that is most of the column is a bin of its own."""
    reference = Sample(np.arange(1000.0))
    assert bin_counts(reference, decile_edges(reference)).tolist() == [100] * 10
    ones = Sample(np.sort(np.array([0.0] * 50 + [1.0] * 950)))
    assert sorted(bin_counts(ones, decile_edges(ones)).tolist()) == [0, 50, 950]


def _reference() -> Reference:
    rng = np.random.default_rng(3)
    columns = [
        ("x/y", np.append(rng.normal(size=999), np.nan)),
        ("c", encode([["a", "b", None][i % 3] for i in range(1000)])),
        ("z", rng.uniform(size=1000)),
        ("empty", np.full(1000, np.nan)),
    ]
    probabilities = rng.uniform(size=(200, 2))
    outputs = output_columns(np.array(["no", "yes"] * 100), probabilities, ("no", "yes"))
    return build_reference(columns, outputs, parts=9, max_values=500)


def test_reference_survives_writing_and_reading() -> None:
    """A reference is the same after a round trip through JSON, in any order of keys, and arrays."""
    reference = _reference()
    meta, arrays = reference.to_arrays()
    again = Reference.from_arrays(json.loads(json.dumps(meta, allow_nan=False, sort_keys=True)), arrays)
    assert set(again.parts) == {"x/y", "c", "empty", "z"}
    for name, part in (*reference.parts.items(), *reference.output_parts.items()):
        other = (again.parts | again.output_parts)[name]
        assert np.array_equal(part.counts, other.counts) and np.array_equal(part.missing, other.missing)
    assert set(again.outputs) == {"prediction", "p_yes"}
    for before, after in zip(
        (reference.columns, reference.outputs),
        (again.columns, again.outputs),
        strict=True,
    ):
        for name, profile in before.items():
            if isinstance(profile, NumericProfile):
                _same(profile, after[name])
            else:
                assert profile == after[name]


def test_parts_together_are_the_whole() -> None:
    """The parts of a reference count every row once."""
    reference = _reference()
    for name, whole in reference.columns.items():
        assert reference.parts[name].rows.sum() == whole.rows
        assert reference.parts[name].missing.sum() == whole.missing


def test_unknown_formats_are_refused() -> None:
    """A reference of another format is refused with the readable ones named."""
    meta, arrays = _reference().to_arrays()
    with pytest.raises(ValueError, match="reference format 9; this driftd reads formats 1 to 4"):
        Reference.from_arrays({**meta, "format": 9}, arrays)
    with pytest.raises(ValueError, match="end within column"):
        Reference.from_arrays(meta, {**arrays, "columns": np.zeros(1)})


def test_files_survive_writing_and_reading() -> None:
    """So do the counts of its newest files, of features and of outputs."""
    rng = np.random.default_rng(4)
    columns = [("x", rng.normal(size=900)), ("c", encode(["a", None, "b"] * 300)), ("empty", np.full(900, np.nan))]
    known = with_files(build_reference(columns), columns, np.repeat([3, 4, 7], 300), columns[:1])
    meta, arrays = known.to_arrays()
    again = Reference.from_arrays(json.loads(json.dumps(meta, allow_nan=False, sort_keys=True)), arrays)
    assert set(again.files) == {"x", "c", "empty"} and set(again.output_files) == {"x"}
    for name, one in known.files.items():
        other = again.files[name]
        assert np.array_equal(one.counts, other.counts) and np.array_equal(one.missing, other.missing)
        assert (one.edges is None) == (other.edges is None) and one.names == other.names and one.unseen == other.unseen
        assert one.edges is None or np.array_equal(one.edges, other.edges)
    with pytest.raises(ValueError, match="end within the files of 'x'"):
        Reference.from_arrays(meta, {**arrays, "files": np.zeros(1)})


def test_references_of_before_are_judged_by_their_newest_rows() -> None:
    """Format 3 kept profiles of the newest held-out rows: data like these is still no drift, and other data is."""
    rng = np.random.default_rng(5)
    old, recent = rng.normal(0, 1, 4_000), rng.normal(3, 1, 300)
    letters = encode(rng.choice(["a", "b"], 4_000).tolist()), encode(rng.choice(["a", "c"], 300).tolist())
    meta, arrays = build_reference([("x", old), ("c", letters[0])]).to_arrays()
    kept, values = pack({"x": numeric_profile(recent, grid=True), "c": categorical_profile(letters[1])})
    gone = {"files", "output_files"}
    before = {key: value for key, value in meta.items() if key not in gone} | {"format": 3, "recent": kept}
    known = Reference.from_arrays(json.loads(json.dumps(before)), {**arrays, "recent": values})
    like = [("x", rng.normal(3, 1, 500)), ("c", encode(rng.choice(["a", "c"], 500).tolist()))]
    assert check_columns(known, [("x", like[0][1]), ("c", encode(["a", "b"] * 250))], alpha=0.01).drifted == ()
    assert check_columns(known, [("x", rng.normal(6, 1, 500))], alpha=0.01).drifted == ("x",)
    assert check_columns(known, like, alpha=0.01).drifted == ()
    meta, _ = known.to_arrays()
    assert meta["format"] == 4 and set(known.files["c"].names) == {"a", "c"}


def test_a_reference_with_another_grid_is_read_without_it() -> None:
    """Format 2 stored its grids otherwise: they are left out, and the statistics stay the same."""
    rng = np.random.default_rng(3)
    reference = build_reference([("x", rng.normal(size=25_000))])
    meta, arrays = reference.to_arrays()
    older = Reference.from_arrays({**meta, "format": 2, "recent": {}}, {**arrays, "recent": np.zeros(0)})
    known = older.columns["x"]
    assert isinstance(known, NumericProfile) and known.grid is None
    current = [("x", rng.normal(0.1, 1, size=21_000))]
    now, before = (check_columns(one, current, alpha=0.05).columns[0].tests for one in (reference, older))
    assert before["ks"].statistic == pytest.approx(now["ks"].statistic, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["normal", "lognormal", "heavy", "ties", "huge", "tiny"]))
@settings(max_examples=60, deadline=None)
def test_bins_of_many_values_are_those_of_a_search(seed: int, kind: str) -> None:
    """Cells tell the bin of a value exactly, whatever the values: far tails, ties with edges, the ends of the range."""
    rng = np.random.default_rng(seed)
    drawn = {
        "normal": rng.normal, "lognormal": lambda size: rng.lognormal(0, 4, size), "heavy": rng.standard_cauchy,
        "ties": lambda size: rng.integers(-9, 9, size) / 7, "huge": lambda size: rng.normal(size=size) * 1e307,
        "tiny": lambda size: rng.random(size) * 1e-310,
    }[kind](size=CELLS + 500)  # fmt: skip
    edges = np.unique(rng.choice(drawn, 63))
    found = np.concatenate([drawn, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), [1e308, -1e308]])
    np.testing.assert_array_equal(bins_of(edges, found), np.searchsorted(edges, found, side="left"))


def test_a_reference_goes_to_bytes_and_back() -> None:
    """All of it, to the same bytes; what is no such bytes is refused, as is a later format."""
    rng = np.random.default_rng(3)
    columns = [("x", rng.normal(size=30_000)), ("c", encode(rng.choice(["a", "ü", ""], 30_000)))]
    reference = with_files(build_reference(columns), columns, np.repeat([1, 2], 15_000))
    data = reference.to_bytes()
    back = Reference.from_bytes(data)
    assert back.to_bytes() == data and back.columns["c"] == reference.columns["c"] and back.rows == 30_000
    judged = [("x", rng.normal(0.1, 1, 5_000)), ("c", encode(["a"] * 5_000))]
    assert check_columns(back, judged, alpha=0.05) == check_columns(reference, judged, alpha=0.05)
    for broken in (
        b"",
        b"no",
        data[:-30],
        data[: len(data) // 2],
        data[:60] + b"\0" * 40 + data[100:],
        b"PK" + data[2:900],
    ):
        with pytest.raises(ValueError, match="no reference"):
            Reference.from_bytes(broken)
