"""Sends a message to a destination, whatever that is; one attempt."""

from collections.abc import Mapping
from typing import Any

from daemon.config.config import Config
from daemon.config.notify import NotifySettings, is_mail, needs_apprise
from daemon.config.registries import OpenLineageSettings
from daemon.runtime.notify import by_apprise, mail, webhook
from daemon.runtime.notify.attempt import LIMIT_S, Attempt, words
from daemon.runtime.notify.collector import post_event
from daemon.runtime.notify.endpoint import Endpoint, endpoint_of
from daemon.runtime.registries import lineage_key
from retrain.records.errors import Refused

Destination = NotifySettings | OpenLineageSettings
"""Who gets messages of the outbox."""


def deliver(
    config: Config, destination: Destination, environment: Mapping[str, str], message: dict[str, Any], now: float
) -> Attempt:
    """One attempt, with the secrets as they are now. Whatever goes wrong is a failed one: an error would block the
    destination for ever."""
    try:
        if isinstance(destination, OpenLineageSettings):
            return post_event(destination.url, lineage_key(config, environment), message)
        endpoint = endpoint_of(config, destination, environment)
        if is_mail(endpoint.url):
            return mail.send(endpoint, destination, message, now)
        if needs_apprise(endpoint.url):
            return by_apprise.send(endpoint, message)
        return webhook.post(endpoint, message, now)
    except Refused as error:
        return Attempt(str(error))
    except Exception as error:
        return Attempt(words(error, LIMIT_S))


def refuse_unusable(config: Config, destination: Destination, environment: Mapping[str, str]) -> None:
    """Refused where nothing can be sent to a destination as things are here."""
    if isinstance(destination, OpenLineageSettings):
        lineage_key(config, environment)
    else:
        usable(config, destination, environment)


def usable(config: Config, destination: NotifySettings, environment: Mapping[str, str]) -> Endpoint:
    """A destination's endpoint; Refused where nothing can be sent to it as things are here."""
    endpoint = endpoint_of(config, destination, environment)
    if needs_apprise(endpoint.url):
        by_apprise.refuse_unusable(endpoint.url)
    return endpoint
