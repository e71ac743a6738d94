"""What `driftd explain` says of now: for each model the largest open question, in one sentence."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.ledger import Ledger, files, models
from daemon.reports.status import overview
from drift.notation import counted
from retrain.planning.regret import price
from retrain.planning.savings import saved_against_price
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings

MOST_COLUMNS = 5
"""Named in a sentence."""
QUIET = "nothing to do"
"""How the planner's reason begins where nothing is waited for."""

Answer = dict[str, Any]


def open_questions(config: Config, ledger: Ledger) -> list[Answer]:
    """One for each model: `about` names the question, `answer` is the sentence, and where savings and a price are in
    it, they are there as numbers too."""
    return questions_of(config, ledger, overview(config, ledger, brief=True)["models"])


def questions_of(config: Config, ledger: Ledger, standing: Mapping[str, Any]) -> list[Answer]:
    """The same of models whose overview is known."""
    with ledger.connect() as conn:
        return [_question(conn, name, config.models[name], model) for name, model in standing.items()]


def _question(conn: Connection, name: str, settings: ModelSettings, model: dict[str, Any]) -> Answer:
    state = models.load_planner(conn, name)
    about, answer = (
        _cycle(model) or _hindrance(model) or _first_model(settings, model) or _quiet(state, settings, model)
    )
    asked = {"held": _held(conn, name, model), "classes": _new_classes(model), "labels": _labels(model)}
    asked = {kind: words for kind, words in asked.items() if words}
    if asked and about in ("savings", "nothing"):
        about, answer = next(iter(asked)), f"{'; '.join(asked.values())}; meanwhile {answer}"
    elif asked:
        answer = "; ".join([answer, *asked.values()])
    return {"model": name, "about": about, "answer": answer} | _numbers(state, settings, model)


def _cycle(model: dict[str, Any]) -> tuple[str, str] | None:
    cycle, trial = model["cycle"], model["trial"]
    if cycle is None:
        return None
    if cycle["state"] == "awaiting_approval":
        number = cycle["id"]
        return "approval", (
            f"a person has to decide: cycle {number} has a challenger, opened because {cycle['trigger']}; `driftd "
            f"explain {number}` compares, `driftd approve {number}` promotes it"
        )
    if trial is not None:
        return "trial", f"{trial['version']} of cycle {cycle['id']} is on trial: {trial['told']}"
    return "cycle", f"cycle {cycle['id']} is under way, at {cycle['stage']}: {cycle['trigger']}"


def _hindrance(model: dict[str, Any]) -> tuple[str, str] | None:
    if model["unloadable"]:
        return "unloadable", f"what is served cannot be loaded here: {model['unloadable']}; {model['waits_for']}"
    if model["paused"]:
        return "paused", "no cycle opens, for it is paused by hand; `driftd resume` goes on"
    return None


def _first_model(settings: ModelSettings, model: dict[str, Any]) -> tuple[str, str] | None:
    """Why there is no model yet."""
    rows, needed = model["labelled_rows"], settings.triggers.first_rows
    if model["champion"] is not None:
        return None
    if settings.is_elsewhere:
        return "first_model", f"there is no reference yet: {model['waits_for'] or 'no file of rows has come'}"
    if model["files"] and rows < needed and settings.labels.negative is None:
        return "first_model", (
            f"there is no model yet: the first one needs {needed:,} {settings.row}s (triggers.first_rows), of which "
            f"{rows:,} are there and {needed - rows:,} are missing"
        )
    return "first_model", f"there is no model yet: {model['waits_for'] or 'no file of rows has come'}"


def _quiet(state: PlannerState, settings: ModelSettings, model: dict[str, Any]) -> tuple[str, str]:
    """Why no cycle is open for a model that works."""
    if not model["waits_for"].startswith(QUIET):
        return "waiting", f"no cycle is open: {model['waits_for']}"
    found = _found(model)
    if settings.is_elsewhere and not settings.challengers:
        return "nothing", f"{found}no cycle is open: another system serves the model, and challengers are not asked for"
    if settings.triggers.regret is None:
        return "nothing", f"{found}no cycle is open: triggers.regret is off, and nothing else asks for one"
    if not state.regret.files:
        return "savings", f"{found}no cycle is open: no labelled file came since the model was trained"
    wanted = price(state.regret, settings.triggers, model["drift_episode"] is not None)
    return "savings", f"{found}no cycle is open: {saved_against_price(state.regret, wanted)}"


def _found(model: dict[str, Any]) -> str:
    """What was found and yet opens nothing: drift and a drop are reported, what labels show decides."""
    check = model["last_check"]
    if check is None or not (check["drift"] or check["dropped"]):
        return ""
    names = check["drifted"]
    more = f" and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else ""
    drifted = f"{', '.join(names[:MOST_COLUMNS])}{more} drifted" if check["drift"] else ""
    dropped = f"its {check['metric'] or 'metric'} got worse" if check["dropped"] else ""
    return f"{' and '.join(part for part in (drifted, dropped) if part)}, but "


def _held(conn: Connection, name: str, model: dict[str, Any]) -> str:
    count = model["files"].get("held", 0)
    if not count:
        return ""
    (newest,) = files.listed(conn, name, "held", 1)
    what = f"{newest.path} is held and teaches nobody"
    if count > 1:
        what = f"{counted(count, 'file', 'are')} held and teach nobody, the newest {newest.path}"
    return f"{what} ({newest.reason}): `driftd release FILE` or `driftd forget FILE`"


def _new_classes(model: dict[str, Any]) -> str:
    """Classes whose labels wait for a person, or for more rows."""
    found = model["new_classes"]
    if not found:
        return ""
    more = f", as do {len(found) - 1} more" if len(found) > 1 else ""
    return f"labels of a new class do not count yet{more}: {found[0]['reason']}; {found[0]['way_out']}"


def _labels(model: dict[str, Any]) -> str:
    """Labels that are not believed yet, and the way out."""
    labels = model["labels"]
    return f"labels are not used yet: {labels['wait']}" if labels and labels["wait"] else ""


def _numbers(state: PlannerState, settings: ModelSettings, model: dict[str, Any]) -> Answer:
    untrained = settings.is_elsewhere and not settings.challengers
    if settings.triggers.regret is None or untrained or model["champion"] is None or not state.regret.files:
        return {"saved": None, "price": None, "metric": None}
    wanted = price(state.regret, settings.triggers, model["drift_episode"] is not None)
    return {"saved": state.regret.sum, "price": wanted.total, "metric": state.regret.metric}
