"""The overview: all models at a glance, and the five answers that somebody who is woken wants first."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from daemon.config.config import Config
from daemon.config.cron import cron_trigger
from daemon.ledger import Ledger
from daemon.ledger import files as data_files
from daemon.reports.open_question import questions_of
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.changes import brief, newest_change
from daemon.reports.page.moments import age, stamp
from daemon.reports.page.needs import Need, needs, state
from daemon.reports.page.quality import NEWEST_FILES, newest_files, now_of, points
from daemon.reports.status import status_json
from drift.notation import apart, counted
from retrain.records.cycle import CycleState

Models = Mapping[str, Mapping[str, Any]]
NOTHING = {"before": None}


def overview_facts(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts:
    """`status` and `explain` are what these commands print as JSON; `models` has what the page adds to each, `waiting`
    what a person has to do, and `answers` the five sentences."""
    status = status_json(reader.config, ledger, brief=True)
    questions = {one["model"]: one for one in questions_of(reader.config, ledger, status["models"])}
    with ledger.connect() as conn:
        models = {
            name: model_facts(conn, name, one, questions[name], asked.now) | {"traffic": reader.traffic.get(name)}
            for name, one in status["models"].items()
        }
        change = newest_change(conn, None)
    waiting = [need for one in models.values() for need in one["needs"]]
    answers = {
        "serving": serving_answer(status),
        "waiting": _waiting_answer(waiting),
        "changed": "nothing yet" if change is None else brief(change, of_all=True),
        "next": _next_answer(reader.config, status["models"], asked.now),
        "undo": _undo_answer(status["models"], change),
    }
    return {
        "view": "overview", "title": title(status, waiting), "lede": _lede(status, models, waiting),
        "answers": answers, "waiting": waiting, "models": models,
        "status": status, "explain": list(questions.values()),
    }  # fmt: skip


def model_facts(conn: Any, name: str, model: Mapping[str, Any], question: Mapping[str, Any], now: float) -> Facts:
    """What the page says of a model beside its status: quality, newest files, the last change, and the next step."""
    found = points(conn, name, model["task"], NEWEST_FILES)
    held = data_files.listed(conn, name, "held", 1) if model["files"].get("held") else ()
    needed, change = needs(name, model, held[0] if held else None), newest_change(conn, name)
    champion = model["champion"]
    return {
        "state": state(model, needed), "needs": needed,
        "quality": now_of(found, champion), "points": found, "files": newest_files(conn, name),
        "why": question["answer"], "short": short_why(question),
        "changed": None if change is None else brief(change),
        "age": None if champion is None else age(now - champion["at"]),
    }  # fmt: skip


def short_why(question: Mapping[str, Any]) -> str:
    """Why nothing is done now, as short as it can be said; the answer of `driftd explain` where it is something else.

    >>> short_why({"about": "savings", "answer": "no cycle", "saved": 0.0131, "price": 0.13, "metric": "accuracy"})
    'a fresh model would have saved 0.0131, and a retrain pays from 0.1300'
    """
    saved, price = question["saved"], question["price"]
    if saved is None or price is None:
        return str(question["answer"])
    digits = apart(saved, price)
    return f"a fresh model would have saved {saved:,.{digits}f}, and a retrain pays from {price:,.{digits}f}"


def title(status: Mapping[str, Any], waiting: Sequence[Need]) -> str:
    """The answer in one sentence."""
    models = status["models"]
    if not status["running"]:
        return "driftd is not running: nothing is checked, and nothing retrains."
    who = list(dict.fromkeys(need["model"] for need in waiting))
    if len(who) > 1:
        return f"{len(who)} of {counted(len(models), 'model')} need you."
    if who:
        words = [need["words"] for need in waiting]
        return f"{who[0]} needs you: {', and '.join(words[:2])}."
    if len(models) == 1:
        name, one = next(iter(models.items()))
        return f"{name} is fine." if one["champion"] is not None else f"{name} has {lacks(one)}."
    return f"All {len(models)} models are fine." if len(_served(models)) == len(models) else "Nothing needs you."


def _lede(status: Mapping[str, Any], models: Models, waiting: Sequence[Need]) -> str:
    """What the title leaves open: the other models, and what is watched."""
    of_whom = {need["model"] for need in waiting}
    others = len(models) - len(of_whom)
    fine = (
        []
        if not of_whom or not others
        else [f"The other {'model is' if others == 1 else f'{others} models are'} fine."]
    )
    if not waiting:
        fine = ["Nothing waits for you."]
    words: dict[str, list[str]] = {}
    for name, one in models.items():
        if name not in of_whom and one["state"]["word"] != "fine":
            words.setdefault(one["state"]["word"], []).append(name)
    told = [f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}: {word}." for word, names in words.items()]
    troubles = [f"Backup to {folder} is lost." for folder, note in status["backups"].items() if note["lost"]]
    if (mirror := status.get("mlflow")) and (mirror["behind"] or mirror["failing"]):
        troubles.append("The mirror in MLflow is not up to date.")
    return " ".join([*troubles, *fine, *told])


def lacks(model: Mapping[str, Any]) -> str:
    """What a model without a champion waits for."""
    return "no model yet" if model["elsewhere"] is None else "no reference yet"


def _served(models: Models) -> list[str]:
    return [name for name, one in models.items() if one["champion"] is not None]


def serving_answer(status: Mapping[str, Any]) -> str:
    """Whether predictions are answered, by how many servers, and where."""
    here = {name: one for name, one in status["models"].items() if one["elsewhere"] is None}
    if away := [name for name in status["models"] if name not in here]:
        names = f"{', '.join(away[:3])}{' and more' if len(away) > 3 else ''}"
        away = [f"{names} {'is' if len(away) == 1 else 'are'} served elsewhere"]
    return "; ".join([*([_serving(here, status["address"])] if here or not away else []), *away])


def _serving(models: Models, address: str | None) -> str:
    served = _served(models)
    missing = [name for name in models if name not in served]
    bad = [name for name in served if models[name]["unloadable"] or _is_in_trouble(models[name])]
    servers = max((len(one["served"]) for one in models.values()), default=0)
    where = f" at {address}" if address else ""
    by = f", by {counted(servers, 'server')}{where}" if servers else ""
    if bad:
        return f"not as it should: {', '.join(bad[:3])}{by}"
    if not served:
        return "no model is served yet"
    rest = f"; {', '.join(missing[:3])} {'has' if len(missing) == 1 else 'have'} no model yet" if missing else ""
    late = sum(_is_unloaded(models[name]) for name in served)
    asked = f"; {late} {'is' if late == 1 else 'are'} loaded when asked for" if late else ""
    return f"yes, {len(served)} of {counted(len(models), 'model')}{by}{asked}{rest}"


def _is_unloaded(model: Mapping[str, Any]) -> bool:
    """Whether no server has it in memory, though all would answer."""
    return {one["state"] for one in model["served"]} == {"unloaded"}


def _is_in_trouble(model: Mapping[str, Any]) -> bool:
    return any(one["state"] in ("failed", "standing in") for one in model["served"])


def _waiting_answer(waiting: Sequence[Need]) -> str:
    if not waiting:
        return "nothing"
    told = [f"{need['model']}: {need['words']}" for need in waiting]
    more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
    return f"{'; '.join(told[:3])}{more}"


def _next_answer(config: Config, models: Models, now: float) -> str:
    """What happens without anybody: a cycle that is under way, else the next moment of a schedule."""
    open_ones = [(name, one["cycle"]) for name, one in models.items() if one["cycle"] is not None]
    busy = [f"{name}: cycle {cycle['id']} is at {cycle['stage']}" for name, cycle in open_ones
            if cycle["state"] in (CycleState.OPEN, CycleState.ON_TRIAL)]  # fmt: skip
    if busy:
        return "; ".join(busy[:2]) + (f"; and {len(busy) - 2} more" if len(busy) > 2 else "")
    soon = next_scheduled(config, list(models), now)
    timed = "" if soon is None else f"; next {soon[1]} of {soon[2]} {stamp(soon[0])}"
    retrains = ", retrains when that pays" if any(one["elsewhere"] is None for one in models.values()) else ""
    return f"checks each file as it comes{retrains}{timed}"


def next_scheduled(config: Config, names: Sequence[str], now: float) -> tuple[float, str, str] | None:
    """The next moment of any schedule of these models: when (Unix seconds), "check" or "retrain", and of which."""
    at, zone = datetime.fromtimestamp(now, UTC), config.service.timezone
    found = []
    for name in names:
        settings = config.models[name]
        for kind, expression in (("check", settings.check_schedule), ("retrain", settings.retrain_schedule)):
            fires = None if expression is None else cron_trigger(expression, zone).get_next_fire_time(None, at)
            found += [] if fires is None else [(fires.timestamp(), kind, name)]
    return min(found, default=None)


def _undo_answer(models: Models, change: Mapping[str, Any] | None) -> str:
    """The command that undoes the newest promotion."""
    name = None if change is None else change["model"]
    here = [name for name, one in models.items() if one["elsewhere"] is None]
    able = [one for one in here if models[one]["trial"] or (models[one]["champion"] or NOTHING)["before"]]
    if name not in able:
        name = able[0] if able else None
    if name is None:
        return "no model has an earlier version to go back to"
    if trial := models[name]["trial"]:
        return f"`driftd rollback {name}` drops {trial['version']}, which is on trial"
    return f"`driftd rollback {name}` serves {models[name]['champion']['before']} again"
