"""Which labels are believed, by schedule of arrival: with a good model, a weak one and none, without and with a change
of the relation that the model learned.

Words by their first letters: Complete, Early, Finished, Selected, Waiting; of the files after four complete ones."""

from dataclasses import replace

import numpy as np
import pytest
from label_arrivals import NAMES, NEVER, Stream, alike, always, by_class, evenly, some

from retrain.labels.selection import selection_of
from retrain.labels.trust import judge

GOOD, WEAK, NONE = 2.5, 0.7, 0.0
MODELS = pytest.mark.parametrize(("skill", "drift"), [(GOOD, NEVER), (GOOD, 8), (WEAK, NEVER), (NONE, NEVER)])


@MODELS
def test_positives_at_once_are_not_believed_until_the_negatives_are_in(skill, drift):
    """A file with its positives only, the others five files late, is never believed: then it is complete."""
    stream = Stream(by_class(always(0), always(5)), skill, drift=drift, files=20)
    assert [stream.late(now) for now in (4, 5, 8)] == ["W", "WW", "WWWWW"]
    assert [stream.late(now) for now in (9, 10, 14)] == ["CWWWWW", "CCWWWWW", "CCCCCCWWWWW"]
    first, later = stream.judged(5), stream.judged(12)
    assert (first.one_class, first.by_class) == ("yes", False)
    assert 'all recent labels are "yes"' in first.wait
    assert (later.one_class, later.by_class, later.slow_lag) == (None, True, 5.0)
    assert 'labels "yes" come with their rows, "no" come 5 files later' in later.wait


@MODELS
def test_quick_positives_and_slow_negatives_wait_for_the_slow_ones(skill, drift):
    """Positives within five files, negatives in the five after: nothing is believed before nine files."""
    stream = Stream(by_class(evenly(0, 5), evenly(5, 10)), skill, drift=drift, files=20)
    assert [stream.late(now) for now in (6, 10, 12)] == ["W" * 3, "W" * 7, "W" * 9]
    assert stream.late(19) == "C" * 7 + "W" * 9
    assert not any(stream.judged(now).selected for now in (15, 17, 19))


@MODELS
def test_random_arrivals_are_believed_from_a_third(skill, drift):
    """Labels at random within five files are used from the second file after, once that is shown: within four files."""
    stream = Stream(alike(evenly(0, 5)), skill, drift=drift, files=20)
    assert [stream.late(now) for now in (10, 13, 18)] == ["CCCEEEW", "CCCCCCEEEW", "C" * 11 + "EEEW"]
    assert stream.late(7) == "EEEW"
    assert not stream.judged(18).by_class


@MODELS
def test_a_few_rows_labelled_at_random_are_used_after_a_few_files(skill, drift):
    """One row in twenty at once: the first files wait to see whether more come, then none does."""
    stream = Stream(some(0.05, always(0)), skill, drift=drift, files=20)
    assert [stream.late(now) for now in (4, 8)] == ["W", "FFFFF"]
    assert stream.late(19) == "F" * 16
    assert not stream.judged(19).selected
    assert not selection_of(stream.at(19)).found


@MODELS
def test_labels_of_one_class_are_never_believed_and_told(skill, drift):
    """Negatives that are never said: no file is believed, and that is told with the first of them."""
    stream = Stream(by_class(evenly(0, 5), always(NEVER)), skill, drift=drift, files=30)
    assert [set(stream.late(now)) for now in (4, 10, 29)] == [{"W"}] * 3
    assert [stream.judged(now).one_class for now in (4, 10, 29)] == ["yes"] * 3
    assert "maturity" in stream.judged(29).wait


@MODELS
def test_labels_of_the_best_rated_only_teach_but_say_nothing_of_classes(skill, drift):
    """Half of the rows, those that the model rates best, have labels: selected once no more come, not before."""

    def best(rng, labels, p):
        return np.where(p >= np.median(p), rng.integers(0, 3, len(p)), NEVER)

    stream = Stream(best, skill, drift=drift, files=22)
    assert set(stream.late(8)) == {"W"}
    assert stream.late(21) == "S" * 16 + "WW"
    assert stream.judged(21).selected
    assert selection_of(stream.at(21)[:18]).found


@MODELS
def test_labels_all_at_once_are_believed_as_they_come(skill, drift):
    """Files whose labels come together three files later are complete then, from the first one."""
    stream = Stream(alike(always(3)), skill, drift=drift, files=14)
    assert [stream.late(now) for now in (6, 7, 13)] == ["WWW", "CWWW", "C" * 7 + "WWW"]


@pytest.mark.parametrize("skill", [GOOD, WEAK])
def test_labels_that_come_more_often_for_a_class_are_not_believed(skill):
    """All positives and a fifth of the negatives get a label, for ever: the model's probabilities give it away."""

    def mostly_positive(rng, labels, p):
        return np.where((labels == "yes") | (rng.random(len(p)) < 0.2), 0, NEVER)

    stream = Stream(mostly_positive, skill, files=30)
    assert [set(stream.late(now)) for now in (6, 10, 20, 29)] == [{"W"}] * 4
    assert "labelled more often" in stream.judged(29).wait


def test_a_dead_feed_settles_nothing():
    """Where no labels come any more, files do not become finished by growing old."""
    stream = Stream(by_class(evenly(0, 3), evenly(2, 5)), files=30)
    stream.made = [
        (labels, np.where(number + lags > 14, NEVER, lags), p) for number, (labels, lags, p) in enumerate(stream.made)
    ]
    assert stream.late(29)[:7] == "CCCCCCC"
    assert set(stream.late(29)[8:]) == {"W"}


def test_provisional_labels_wait_for_their_changes():
    """All rows are "no" at once and the positives corrected within five files: believed once they are through."""
    stream = Stream(by_class(evenly(1, 5), always(0)), files=24)
    assert {stream.provisional(6).by_seq[seq] for seq in range(4, 7)} == {"waiting"}
    assert {stream.provisional(20).by_seq[seq] for seq in range(4, 15)} == {"finished"}
    assert {stream.provisional(20).by_seq[seq] for seq in range(17, 21)} == {"waiting"}
    assert stream.provisional(20).by_class


def test_large_numbers_that_come_late_are_waited_for():
    """Of a regression: amounts above a limit come four files late; files are complete then, and not before."""
    stream = Stream(lambda rng, labels, p: np.where(p > 0.5, 4, 0), files=16)
    trust = stream.numbers(15)
    assert [trust.by_seq[seq] for seq in (10, 11)] == ["complete"] * 2
    assert {trust.by_seq[seq] for seq in range(12, 16)} == {"waiting"}
    assert trust.by_class
    assert '"high" come 4 files later' in trust.wait


def test_without_late_labels_everything_is_complete():
    """Files that come with all their labels are complete, of one class too, and nothing is waited for."""
    stream = Stream(alike(always(0)), files=8)
    labels, lags, p = stream.made[7]
    stream.made[7] = (np.full(len(labels), "no"), lags, p)
    assert set(stream.judged(7).by_seq.values()) == {"complete"}
    assert stream.judged(7).wait == ""


@MODELS
def test_what_looks_alike_in_young_files_is_not_believed_early(skill, drift):
    """Positives within three files, negatives within eight: in files of two they seem to come alike, but are too many
    positives; nothing is believed before the slow ones are known."""
    stream = Stream(by_class(evenly(0, 3), evenly(0, 8)), skill, drift=drift, files=14)
    assert [set(stream.late(now)) for now in (5, 6, 7)] == [{"W"}] * 3
    assert stream.late(13)[:3] == "CCC"
    assert set(stream.late(13)[4:]) == {"W"}


def test_a_few_of_the_slow_class_at_once_do_not_make_small_files_finished():
    """Files of fifty rows with all positives and a fifth of the negatives at once, the others five files late, wait."""

    def leak(rng, labels, p):
        return np.where((labels == "yes") | (rng.random(len(p)) < 0.2), 0, 5)

    for seed in range(4):
        stream = Stream(leak, NONE, files=20, rows=50, seed=seed)
        assert [set(stream.late(now)) for now in (6, 7, 8)] == [{"W"}] * 3
        assert set(stream.late(19)[:10]) == {"C"}


def test_selection_by_answers_of_then_is_seen_though_versions_change():
    """Rows that the version of then rated best were labelled; today's says the opposite of older files: the newest ones
    show it."""

    def best(rng, labels, p):
        return np.where(p >= np.median(p), 0, NEVER)

    stream = Stream(best, files=30)
    files = [
        replace(file, probabilities=file.probabilities[:, ::-1] if file.seq < 18 else file.probabilities)
        for file in stream.at(29)
    ]
    trust = judge(files, "classification", NAMES)
    assert trust.selected
    assert trust.by_seq[29] == "selected"


def test_what_is_judged_of_a_regression_can_be_written_down():
    """As of a classification, what it says is yes or no, not NumPy's: an assessment is sent as JSON."""
    late = Stream(lambda rng, labels, p: np.where(p > 0.3, 3, 0), files=12)
    assert {type(late.numbers(now).by_class) for now in range(4, 12)} == {bool}
    assert late.numbers(11).by_class


def test_of_many_classes_the_slowest_are_named():
    """What files wait for is named, not the five that are there first."""
    stream = Stream(alike(always(0)), files=12, rows=700)
    for number in range(stream.history, stream.files):
        labels, _, p = stream.made[number]
        classes = np.arange(len(labels)) % 7
        stream.made[number] = np.array([f"c{one}" for one in classes]), classes // 2, p
    names = tuple(f"c{one}" for one in range(7))
    files = [replace(file, probabilities=None) for file in stream.at(11) if file.seq >= stream.history]
    wait = judge(files, "classification", names).wait
    assert '"c2" come 1 file later' in wait
    assert '"c6" come 3 files later: files wait for the slowest' in wait
    assert '"c1"' not in wait


def test_what_is_only_late_is_said_in_a_sentence():
    """Where no class is slower than another: files wait, and for how long."""
    wait = Stream(alike(evenly(2, 6)), files=16).judged(14).wait
    assert wait == 'files wait for labels: "no" come 5 files later, "yes" come 5 files later'
