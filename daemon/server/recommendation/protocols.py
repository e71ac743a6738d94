"""The Open Inference Protocol and MLflow's scoring protocol for models that recommend: people in, lists out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from daemon.server.infer import InferRequest, answer_tensors, read_request
from daemon.server.invocations import read_invocation
from daemon.server.recommendation.asked import MOST_ANSWERED, MOST_K, MOST_USERS, Asked, one_id, whole_number
from daemon.server.recommendation.lists import Lists
from daemon.server.refusal import BadRequest
from daemon.server.rows import Ids, RowReader, decode
from retrain.model.encoding import Cells
from retrain.records.schema import Column, Schema


class UserReader(RowReader):
    """Reads the people of a request: the user column, or the only one, whatever it is called."""

    def __init__(self, schema: Schema, user_column: str) -> None:
        super().__init__(replace(schema, columns=(Column(user_column, "category"),), id_column=None), strict=False)

    def read_columns(self, columns: Mapping[str, Sequence[Any]], count: int) -> tuple[list[Cells], Ids]:
        """One cell a row."""
        found = columns.get(self.names[0])
        if found is None:
            if len(columns) != 1:
                raise BadRequest(f"expected the column {self.names[0]!r}, of people's ids, alone")
            found = next(iter(columns.values()))
        if not 0 < count <= MOST_USERS:
            raise BadRequest(f"{count:,} people; expected 1 to {MOST_USERS:,} a request", 413 if count else 400)
        return [(one_id(one, f"row {place}"),) for place, one in enumerate(found)], None


def read_infer(body: bytes, length: bytes | None, reader: UserReader) -> tuple[InferRequest, Asked]:
    """Who is asked for; how many items say the parameters."""
    request, rows, _ = read_request(body, length, reader)
    return request, _asked(rows, (request.parameters or {}).get("k", 10))


def read_scoring(body: bytes, content_type: bytes | None, reader: UserReader) -> Asked:
    """The same of MLflow's forms; how many items say "params"."""
    rows, _ = read_invocation(body, content_type, reader)
    params = decode(body).get("params") if b'"params"' in body else None
    return _asked(rows, params.get("k", 10) if isinstance(params, dict) else 10)


def infer_answer(request: InferRequest, lists: Lists, model: str, version: str) -> tuple[bytes, int | None]:
    """Items and scores (people, k); a shorter list ends in empty names with a score of 0."""
    width = max((len(one.items) for one in lists.lists), default=0)
    items = np.full((len(lists), width), "", object)
    scores = np.zeros((len(lists), width), np.float32)
    for row, one in enumerate(lists.lists):
        items[row, : len(one.items)], scores[row, : len(one.items)] = one.items, one.scores
    return answer_tensors(request, {"items": ("BYTES", items), "scores": ("FP32", scores)}, model, version)


def _asked(rows: Sequence[Cells], k: Any) -> Asked:
    asked = Asked(tuple(str(row[0]) for row in rows), k=whole_number(k, "k", MOST_K))
    if len(rows) * asked.k > MOST_ANSWERED:
        raise BadRequest(f"{len(rows):,} lists of {asked.k:,} items; at most {MOST_ANSWERED:,} items in all", 413)
    return asked
