"""What a person may do with a model, each with what it comes to."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from daemon.reports.page.actions import button
from daemon.reports.page.asked import Asked, Facts
from drift.notation import score

RETRAIN_IS = "A cycle opens as soon as none is under way. It costs a training, and promotes only what is better."
ROLL_BACK_IS = "It stays until a cycle promotes another."
RENEW_IS = "The next files that come are compared with the newest ones that are there; what was compared before stays."
CHALLENGER_IS = "A cycle opens as soon as none is under way. It costs a training, and nothing of it is served."
PAUSE_IS = "No cycle opens and nothing is rolled back by itself until it is resumed; files are still checked."


def buttons(facts: Facts, status: Mapping[str, Any], asked: Asked) -> list[Markup]:
    """What a person may do with the model; the confirmation says what it comes to."""
    name = facts["model"]
    found = _of_elsewhere(name, status["elsewhere"], asked) if status["elsewhere"] else _of_served(facts, status, asked)
    if status["paused"]:
        return [*found, button(asked, name, "resume", "Resume", {})]
    return [*found, button(asked, name, "pause", "Pause", {}, sure=PAUSE_IS)]


def _of_elsewhere(name: str, elsewhere: Mapping[str, Any], asked: Asked) -> list[Markup]:
    """Of a model that another system serves: nothing here can be rolled back."""
    found = [button(asked, name, "renew", "Make a new reference", {}, sure=RENEW_IS)]
    if elsewhere["challengers"]:
        found.append(button(asked, name, "retrain", "Train a challenger now", {}, sure=CHALLENGER_IS))
    return found


def _of_served(facts: Facts, status: Mapping[str, Any], asked: Asked) -> list[Markup]:
    name, champion = facts["model"], status["champion"]
    found = [button(asked, name, "retrain", "Retrain now", {}, sure=RETRAIN_IS)]
    if status["trial"] is not None and champion is not None:
        sure = f"{status['trial']['version']} is dropped, and {champion['version']} answers all requests, as before."
        found.append(button(asked, name, "rollback", f"Drop {status['trial']['version']}", {}, sure=sure))
    elif champion is not None and champion["before"]:
        sure = f"{champion['before']} answers instead of {champion['version']} within seconds; nothing is trained."
        sure = " ".join([sure, *_worth(facts["before_it"], champion), ROLL_BACK_IS])
        found.append(button(asked, name, "rollback", f"Roll back to {champion['before']}", {}, sure=sure))
    return found


def _worth(before: Mapping[str, Any] | None, champion: Mapping[str, Any]) -> list[str]:
    """What a roll-back costs: the values of both evaluations, each on the held-out rows of its time."""
    if before is None or before["value"] is None or champion["value"] is None:
        return []
    values = f"{score(before['value'])}, and that of {champion['version']} {score(champion['value'])}"
    return [f"Its own evaluation came to {values}, each on held-out rows of its time."]
