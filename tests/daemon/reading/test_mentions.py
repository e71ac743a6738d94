"""Ids in texts: found however they are quoted, and not in the ids of others."""

import json

import pytest

from daemon.reading.mentions import Mentions

ODD = [
    "Zoë Müller-Øst 1987",
    'O\'Brien "the quote" 42',
    "back\\slash-00001",
    "tab\there-000001",
    "顧客番号-一二三四五六七八",
]


@pytest.mark.parametrize("one", ["cust-0000417", "ada@example.org", *ODD])
def test_an_id_is_found_however_it_is_quoted(one: str) -> None:
    """In a sentence, a CSV, a line of JSON, JSON in a line of JSON, what Python quotes, at a line's beginning."""
    found = Mentions([one])
    lines = [one, f"spoke with {one}.", f"a,{one},b", '"' + one.replace('"', '""') + '",1', f"{one!r} is odd"]
    for line in (*lines, f"first\n{one}", f"({one})", f"/customers/{one}/orders", f"“{one}”"):
        for text in (line, json.dumps({"raw": line}), json.dumps({"raw": line}, ensure_ascii=False)):
            assert found.holds(text), text
            assert not found.holds(found.redacted(text, "(forgotten)")), text
    nested = json.dumps({"message": json.dumps({"who": one})})
    assert found.holds(nested)


@pytest.mark.parametrize(
    "text", ["cust-00004171", "xcust-0000417", "cust-0000417-b", "a.cust-0000417", "cust-0000417.com", "écust-0000417"]
)
def test_an_id_that_goes_on_is_somebody_elses(text: str) -> None:
    """Nothing of others is taken for theirs; the same characters are found where it is asked for parts of words."""
    found = Mentions(["cust-0000417"])
    assert not found.holds(text) and found.inside(text)
    assert found.redacted(f"{text}, cust-0000417", "-") == f"{text}, -"


def test_the_longer_of_two_is_found() -> None:
    """Both are forgotten; nothing of either is left."""
    found = Mentions(["cust-0000417", "cust-0000417 junior"])
    assert found.redacted("cust-0000417 junior and cust-0000417", "-") == "- and -"


def test_thousands_are_found_by_what_they_begin_with() -> None:
    """Also where they begin in many ways; nothing is found of none."""
    many = Mentions([f"{chr(97 + n % 26)}{n * 7919 % 100_003:06d}-{n:06d}" for n in range(5000)])
    assert (
        len(list(many.spans(" ".join(f"{chr(97 + n % 26)}{n * 7919 % 100_003:06d}-{n:06d}" for n in range(5000)))))
        == 5000
    )
    assert not Mentions([]) and not Mentions([]).holds("x") and Mentions([]).redacted("x", "-") == "x"
