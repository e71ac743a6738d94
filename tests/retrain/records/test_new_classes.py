"""Which classes of labels count: declared, known, or new with enough rows and a person's word."""

import pytest

from retrain.records.new_classes import KnownClasses, way_out

BINARY = {"no": 500, "yes": 400}
LEARNED = frozenset(BINARY)


def withheld(known: KnownClasses, **more: int) -> dict[str, str]:
    """The classes that do not count, with the class that was likely meant."""
    return {one.name: one.meant for one in known.withheld(BINARY | more)}


@pytest.mark.parametrize("learned", [frozenset(), LEARNED])
def test_mistyped_labels_make_no_classes(learned):
    """Seven labels of three spellings change nothing, in the first data or later; case and blanks are told as typos."""
    known = KnownClasses(None, learned, frozenset(), 20)
    assert withheld(known, maybe=3, Yes=2, YES=2) == {"maybe": "", "Yes": "yes", "YES": "yes"}
    assert withheld(known, **{"yes ": 40}) == {"yes ": "yes"}


def test_the_first_data_bring_their_classes_and_later_ones_need_a_person():
    """Integer classes of which a first file lacks some: those that come later wait for rows and for an approval, in
    either order."""
    assert withheld(KnownClasses(needed=20), maybe=20) == {}
    assert withheld(KnownClasses(learned=LEARNED, needed=20), maybe=500) == {"maybe": ""}
    approved = KnownClasses(learned=LEARNED, approved=frozenset({"maybe"}), needed=20)
    assert withheld(approved, maybe=19) == {"maybe": ""} and withheld(approved, maybe=20) == {}


def test_a_learned_class_never_waits_again():
    """However few rows it has, and whatever is spelled alike."""
    assert withheld(KnownClasses(learned=frozenset({"no", "yes", "Yes"}), needed=20), Yes=1) == {}


def test_a_declaration_decides_alone():
    """Approvals and rows do not matter where classes are declared."""
    known = KnownClasses(("no", "yes"), frozenset({"maybe"}), frozenset({"maybe"}), 20)
    assert withheld(known, maybe=500, Yes=2) == {"maybe": "", "Yes": "yes"}
    assert "categories" in way_out("m", known.withheld({"maybe": 500}))


def test_the_way_out_is_one_command_that_approves_no_typo():
    """It can be pasted into a shell."""
    found = KnownClasses(learned=LEARNED, needed=20).withheld(BINARY | {"on hold": 30, "YES": 2})
    assert "`driftd approve --model m --class 'on hold'`" in way_out("m", found)
    assert "--class YES" in way_out("m", [one for one in found if one.meant])
