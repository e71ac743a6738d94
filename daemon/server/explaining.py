"""Explanations of answers: what each column contributed, by the deployment that gave the answer.

They are made in a thread of their own, of few that wait, and cost at most what their explainer states: predictions
neither wait for them nor are refused because of them."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest
from daemon.server.served import ServedDeployment
from drift.notation import counted
from retrain.model.encoding import Cells
from retrain.records.errors import Refused

if TYPE_CHECKING:
    from retrain.model.deployment import LoadedDeployment
    from retrain.model.explaining.contributions import Contributions
    from retrain.model.explaining.explainer import Explainer

T = TypeVar("T")
Write = Callable[[ServedDeployment, "Contributions"], T]
EXPLAIN_S = 30.0
MOST_WAITING = 16
"""Explanations; what comes beyond is refused at once, so that they never take the room of predictions."""
SLICE_NUMBERS = 5_000
"""Written as JSON in one step of about a millisecond: other threads get the interpreter in between."""


class Explaining:
    """The explanations of one server process: `preparing` makes explainers, `explaining` explains."""

    def __init__(self, preparing: Pool, explaining: Pool) -> None:
        self._preparing, self._explaining = preparing, explaining
        self._explainers: WeakKeyDictionary[LoadedDeployment, Explainer | str] = WeakKeyDictionary()

    @contextlib.asynccontextmanager
    async def admitted(self, answering: Sequence[ServedDeployment], rows: int) -> AsyncIterator[None]:
        """A place among those that are explained, kept while so many rows are predicted and explained. BadRequest 413
        where they are too many for any of those of which one answers, 409 where it cannot be explained, 503 where no
        place is free: before anything is predicted, logged or counted."""
        with self._explaining.place():
            for served in answering:
                _check(await self._explainer(served), served.name, rows)
            yield

    async def explain(self, served: ServedDeployment, rows: Sequence[Cells], write: Write[T]) -> T:
        """What `write` makes of the contributions to the answers of `served`, in the thread that explains, for who is
        admitted; BadRequest 503 where it takes too long."""
        explainer = await self._explainer(served)
        ends_s = time.monotonic() + EXPLAIN_S
        return await self._explaining.run_in_place(_explain, explainer, served, rows, ends_s, write)

    async def _explainer(self, served: ServedDeployment) -> "Explainer":
        """Made at the first question, and kept while the deployment is; BadRequest 409 where it cannot be explained."""
        found = self._explainers.get(served.loaded)
        if found is None:
            found = await self._preparing.run(self._prepare, served)
        if isinstance(found, str):
            raise BadRequest(f"{served.name} cannot be explained: {found}", 409)
        return found

    def _prepare(self, served: ServedDeployment) -> "Explainer | str":
        """In the one thread that prepares; or why it cannot be explained, which is kept, too, unless the disk was at
        fault."""
        from retrain.model.explaining.explainer import explainer_of
        from retrain.store.background import background_rows

        found = self._explainers.get(served.loaded)
        if found is None:
            version = served.loaded.version
            try:
                found = explainer_of(served.loaded, lambda: background_rows(version))
            except Refused as error:
                if isinstance(error.__cause__, OSError):
                    return str(error)
                found = str(error)
            self._explainers[served.loaded] = found
        return found


def _explain(
    explainer: "Explainer", served: ServedDeployment, rows: Sequence[Cells], ends_s: float, write: Write[T]
) -> T:
    """In the thread that explains, until nobody waits for it any more."""

    def step() -> None:
        if time.monotonic() > ends_s:
            raise BadRequest(f"explaining did not end within {EXPLAIN_S:g} s; send fewer rows", 503)

    return write(served, explainer.explain([encode(rows) for encode in served.encoders], step))


def _check(explainer: "Explainer", name: str, rows: int) -> None:
    if rows > explainer.most_rows:
        most = f"at most {counted(explainer.most_rows, 'row')} of {name} ({explainer.costs})"
        raise BadRequest(f'"explain" for {counted(rows, "row")}: {most}; send fewer, or leave "explain" out', 413)


def about(served: ServedDeployment, found: "Contributions") -> dict[str, Any]:
    """What an explanation says of itself: the version that answered, how it was made, and what it adds up to."""
    told: dict[str, Any] = {"version": served.name, "method": found.method, "scale": found.scale.words}
    if len(served.deployment.members) > 1:
        told["members"] = {member.version: member.weight for member in served.deployment.members}
    if len(found.scale.outputs) == 1:
        told["class"] = found.scale.outputs[0]
    if found.errors is not None:
        told["permutations"] = found.permutations
    if found.background:
        told["background"] = found.background
    return told


def as_json(served: ServedDeployment, found: "Contributions") -> bytes:
    """As the answer of predict has it: numbers by column, of several classes by class and column."""
    names = found.scale.outputs if len(found.scale.outputs) > 1 else ()
    whole = about(served, found) | {"base": _by_output(names, found.base.tolist())}
    whole["explained"] = msgspec.Raw(_rows(names, found.explained[:, None, :], None))
    whole["contributions"] = msgspec.Raw(_rows(names, found.values, found.columns))
    if found.errors is not None:
        whole["standard_errors"] = msgspec.Raw(_rows(names, found.errors, found.columns))
    return msgspec.json.encode(whole)


def _rows(names: Sequence[str], values: Any, columns: Sequence[str] | None) -> bytes:
    """A list of what rows (n, columns, k) have, slice by slice; of None columns there is one, which is not named."""
    at_once = max(1, SLICE_NUMBERS // max(1, values[0].size))
    pieces = []
    for start in range(0, len(values), at_once):
        rows = [
            _by_output(names, [_by_column(columns, one) for one in row])
            for row in values[start : start + at_once].transpose(0, 2, 1).tolist()
        ]
        pieces.append(msgspec.json.encode(rows)[1:-1])
    return b"[" + b",".join(pieces) + b"]"


def _by_column(columns: Sequence[str] | None, numbers: list[float]) -> Any:
    return numbers[0] if columns is None else dict(zip(columns, numbers, strict=True))


def _by_output(names: Sequence[str], numbers: list[Any]) -> Any:
    """The only one, or each by its class."""
    return dict(zip(names, numbers, strict=True)) if names else numbers[0]
