"""What a request may cost is told from its bytes, before anything is made of them."""

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.server.bodies import decompressed
from daemon.server.infer import read_request
from daemon.server.invocations import read_invocation
from daemon.server.labels import labels_of
from daemon.server.refusal import LONGEST_MESSAGE, BadRequest
from daemon.server.rows import LONGEST_ID, MAX_ROWS, RowReader, decode
from daemon.server.structure import _outside_of_texts, check_structure
from retrain.records.schema import Column, Schema
from retrain.rows.cells import shown

KINDS = {"x": "number", "z": "number", "colour": "category", "id": "category", "y": "number"}
COLUMNS = tuple(Column(name=name, kind=kind) for name, kind in KINDS.items())
SCHEMA = Schema(columns=COLUMNS, task="regression", target="y", time_column=None, id_column="id")


@pytest.fixture
def reader() -> RowReader:
    """Of a lenient model of three features."""
    return RowReader(SCHEMA, strict=False)


# --- the structure of JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"rows":[' + b"{}," * 200_000 + b"{}]}", "objects; at most 10,000 rows"),
        (b"[" + b"[]," * 200_000 + b"[]]", "values"),
        (b"[" * 200_000, "lists"),
        (b'{"rows":[{' + b'"x":1,' * 200_000 + b'"x":1}]}', "values"),
    ],
)
def test_more_than_a_request_can_have_is_refused_by_its_shape(body, told):
    """Before objects of a hundred bytes are made of two bytes of text each."""
    with pytest.raises(BadRequest, match=told) as refused:
        check_structure(body, 5)
    assert refused.value.status == 413


def test_marks_within_texts_do_not_count():
    """A text may have as many commas and brackets as it likes, quotation marks and backslashes among them."""
    text = json.dumps("a,{[" * 300_000 + '\\",{["\\\\')
    check_structure(f'{{"rows":[{{"x":1,"colour":{text}}}]}}'.encode(), 5)


def test_a_full_request_of_a_wide_model_passes():
    """The most rows of all columns, by any protocol."""
    row = b'{"a":1' + b',"b":1' * 39 + b"}"
    check_structure(b'{"rows":[' + b",".join([row] * MAX_ROWS) + b'],"ids":[' + b"1," * (MAX_ROWS - 1) + b"1]}", 40)


@given(st.recursive(st.none() | st.text() | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_what_stands_outside_of_texts(value):
    """Nothing of a text, and all marks that are not in one; also where a slice ends within a text."""
    body = json.dumps(value, ensure_ascii=False).encode()
    said = b"".join(_outside_of_texts(body))
    assert said == re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)


def test_slices_end_anywhere(monkeypatch):
    """A text that spans slices is one text."""
    monkeypatch.setattr("daemon.server.structure.SLICE", 3)
    body = json.dumps({'a,"': ["{,", 'b\\",', 1, {}]}).encode()
    assert b"".join(_outside_of_texts(body)) == re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)


# --- compression --------------------------------------------------------------------------------------------------


def test_empty_members_of_gzip_end_soon():
    """Each costs a copy of what follows it: a bounded number is read."""
    with pytest.raises(BadRequest, match="more than 1,000 members") as refused:
        decompressed(gzip.compress(b"", mtime=0) * 5_000, b"gzip", 10**6)
    assert refused.value.status == 413


def test_members_of_gzip_are_read_across_steps():
    """As many as bgzip makes of the largest body."""
    plain = b"".join(b"%d," % n for n in range(60_000))
    body = b"".join(gzip.compress(plain[at : at + 1_000], mtime=0) for at in range(0, len(plain), 1_000))
    assert decompressed(body, b"gzip", 10**6) == plain


# --- the Open Inference Protocol ----------------------------------------------------------------------------------


def tensor(**changes: object) -> bytes:
    """A request of one tensor."""
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]} | changes]}).encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (tensor(shape=[1] * 9_000, data=[[]] * 9_000 + [1]), r"shape \[1, 1.*expected \[rows\]"),
        (tensor(shape=[2**62] * 9_000), "shape"),
        (tensor(shape=[10**4_200, 10**4_200]), "shape"),
        (tensor(shape=[10**4_200]), "rows a request"),
        (tensor(shape=[MAX_ROWS + 1]), "rows a request"),
        (tensor(name="n" * 10**6, shape=[1, 1, 1]), "shape"),
    ],
)
def test_a_shape_is_refused_before_its_data_is_touched(reader, body, told):
    """Neither walked through once a dimension, nor multiplied, nor written out."""
    with pytest.raises(BadRequest, match=told) as refused:
        read_request(body, None, reader)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"outputs": [{"name": "prediction"}] * 2}, "names an output twice"),
        ({"id": "i" * (LONGEST_ID + 1)}, '"id" is longer than 1,000'),
    ],
)
def test_an_answer_is_bounded(reader, more, told):
    """An output is answered once, an id is echoed if it is one."""
    inputs = [
        {"name": name, "datatype": "BYTES" if name == "colour" else "FP64", "shape": [1], "data": [None]}
        for name in "xz"
    ]
    inputs.append(inputs[0] | {"name": "colour", "datatype": "BYTES"})
    with pytest.raises(BadRequest, match=told):
        read_request(json.dumps({"inputs": inputs} | more).encode(), None, reader)


def test_a_header_length_of_many_digits_is_no_length(reader):
    """Python refuses to read 5,000 digits; here they are a mistake of the client's."""
    with pytest.raises(BadRequest, match="Inference-Header-Content-Length is '9"):
        read_request(b"{}", b"9" * 5_000, reader)


# --- rows, ids and labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [10**400, -(2**63) - 1, 2**64, "i" * (LONGEST_ID + 1), ""])
def test_an_id_is_short(reader, key):
    """It is echoed, logged and kept: 64 bits or 1,000 characters, in a prediction and in feedback."""
    with pytest.raises(BadRequest, match="64 bits"):
        reader.read_json(json.dumps({"rows": [{"x": 1}], "ids": [key]}).encode())
    with pytest.raises(BadRequest, match="64 bits"):
        labels_of({"labels": [{"id": key, "label": 1}]}, SCHEMA)


def test_a_label_is_a_number_that_can_be():
    """10**400 is neither finite nor infinite for Python, which raises."""
    with pytest.raises(BadRequest, match="64 bits"):
        labels_of({"labels": [{"id": "a", "label": 10**400}]}, SCHEMA)


@pytest.mark.parametrize(("label", "is_taken"), [(1, True), (1.0, True), ("1", True), (True, False), ("true", False), ("yes", False), (1.5, False), ("1_0", False)])  # fmt: skip
def test_a_class_of_whole_numbers_is_one(label, is_taken):
    """What the intake would reject later is refused at once, with what is expected."""
    columns = tuple(Column(name=name, kind="integer" if name == "y" else kind) for name, kind in KINDS.items())
    schema = Schema(columns=columns, task="classification", target="y", time_column=None, id_column="id")
    if is_taken:
        assert labels_of({"labels": [{"id": "a", "label": label}]}, schema) == [{"id": "a", "y": label}]
    else:
        with pytest.raises(BadRequest, match="expected a whole number"):
            labels_of({"labels": [{"id": "a", "label": label}]}, schema)


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [{"n" * 10**6: 1}]}, {"n" * 10**6: 1}, {"rows": [{"colour": ["v" * 10**6]}]}, {"rows": [{"x": "v" * 10**6}]},
        {"dataframe_records": [{"n" * 10**6: 1}]}, {"n" * 10**6: 1, "instances": []}, {"inputs": {"n" * 10**6: [1]}},
    ],
)  # fmt: skip
def test_messages_are_short_whatever_they_quote(reader, body):
    """What is answered and logged does not grow with the request."""
    raw = json.dumps(body).encode()
    for read in (reader.read_json, lambda raw: read_invocation(raw, None, reader)):
        with pytest.raises(BadRequest) as refused:
            read(raw)
        assert len(str(refused.value)) <= 300
    assert len(str(BadRequest("m" * 10**6))) == LONGEST_MESSAGE + 1


def test_records_of_ever_other_names_end_at_the_first(reader):
    """Not a table of all names by all rows."""
    records = [{f"c{n}": n} for n in range(5_000)]
    with pytest.raises(BadRequest, match="unknown column 'c0'"):
        read_invocation(json.dumps({"dataframe_records": records}).encode(), None, reader)


def test_what_is_shown_of_a_value_is_made_no_further_than_shown(monkeypatch):
    """Sixty characters of a list do not take its whole text, nor that of a text."""
    made = []
    monkeypatch.setattr("retrain.rows.cells.ENCODER", json.JSONEncoder(default=made.append))
    assert shown([*range(100), object()]).endswith("…") and not made
    assert len(shown("v" * 10**6)) == 61


def test_decode_names_what_python_cannot_read():
    """A number of more digits than Python reads."""
    with pytest.raises(BadRequest, match="too many digits"):
        decode(b'{"rows":[{"x":' + b"9" * 5_000 + b"}]}")
