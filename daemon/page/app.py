"""Answers one request for the status page: a view as a page or as JSON, a static file, a session's begin and end."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from daemon.config.config import Config
from daemon.page import actions, answers, rights
from daemon.page.acting import Acting, Outcome
from daemon.page.answers import HTML, Answer, Refusal, encoded
from daemon.page.changes import Changes
from daemon.page.forms import FORM, decoded, form_fields, is_form
from daemon.page.openapi import description
from daemon.page.pages import login_page, logout_page, open_page, sentence_page
from daemon.page.reading import Reading
from daemon.page.rights import Rights, Visitor
from daemon.page.shared import Shared
from daemon.reports.page.asked import Asked
from daemon.reports.page.views import facts_of, html_of
from daemon.runtime.log import get_logger
from daemon.runtime.page_wire import Request
from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest
from drift.report.static_files import static_file

log = get_logger()
RENDER_AT_ONCE, RENDER_S = 2, 12.0
"""Views that are made at once, and how long one may take; the server gives up a little later."""
FIELDS, LONGEST_PATH = 64, 8_192
AGAIN_S = 2
"""How often a page that waits for what was asked looks again."""
TO_SEE = "This page needs a token."
NEEDS_ADMIN = "this needs an admin token; the one given only sees"
ONLY_SHOWS = "the page only shows: there is no admin token ([service] admin_token_file), and page_acts is not set"


@dataclass(frozen=True)
class Call:
    """A request, taken apart: `path` in decoded parts, `form` what a form holds."""

    request: Request
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    visitor: Visitor
    now: float
    body: bytes

    @property
    def is_data(self) -> bool:
        """Whether JSON was asked for."""
        return self.path[:1] == ("api",)

    @cached_property
    def form(self) -> Mapping[str, str]:
        """What a form sent; Refusal 415 for anything else."""
        if not is_form(self.headers):
            raise Refusal(415, f"expected a form's content type, {FORM}")
        return {name: values[-1] for name, values in form_fields(self.body).items()}


class App:
    """The page of one configuration."""

    def __init__(self, config: Config, reading: Reading, rights: Rights, now: Callable[[], float] = time.time) -> None:
        self._config, self._reading, self._rights, self._now = config, reading, rights, now
        self.acting, self.changes = Acting(config, reading), Changes(reading)
        self._shared = Shared(reading.version)
        self._mark = secrets.token_hex(32)
        self.rendering = Pool("making the page", RENDER_AT_ONCE, RENDER_S)
        self.pools = (self.rendering, self.acting.pool, self.changes.pool)

    async def answer(self, request: Request, body: bytes) -> Answer:
        """Whatever goes wrong is an answer too."""
        try:
            return await self._answered(self._call(request, body))
        except (Refusal, BadRequest) as error:
            headers = error.headers if isinstance(error, Refusal) else tuple(error.headers.items())
            return self.refused(request, error.status, str(error), headers)
        except Exception as error:
            log.error("request_failed", path=request.path, error=repr(error))
            return self.refused(request, 500, "the page could not be made; the service's log says why")

    def _call(self, request: Request, body: bytes) -> Call:
        headers = dict(request.headers)
        now = self._now()
        visitor = self._rights.visitor(headers, request.client, now)
        query = dict(parse_qsl(request.query, True, errors="replace", max_num_fields=FIELDS))
        return Call(request, parts_of(request.path), query, headers, visitor, now, body)

    async def _answered(self, call: Call) -> Answer:
        is_post = call.request.method == "POST"
        match call.path:
            case ("static", name) if not is_post:
                return static(name)
            case ("login",):
                return self._login(call) if is_post else self._door(call)
            case ("logout",) if is_post:
                return self._logout(call)
        if not call.visitor.sees:
            return self._unknown(call)
        if is_post and call.is_data:
            return await self._act(call)
        if is_post or call.path == ("logout",):
            raise Refusal(405, "this address is not for that", (("allow", "POST" if not is_post else "GET, HEAD"),))
        match call.path:
            case ("api", "events") if call.request.method == "GET":
                pieces = self.changes.listen(call.headers.get("last-event-id", ""))
                return Answer(200, "text/event-stream", b"", pieces=pieces)
            case ("api", "openapi.json"):
                return answers.data(description())
            case ("api", "asked", name):
                return self._told(await self.acting.look(name))
            case ("asked", name):
                return self._shown(await self.acting.look(name))
        return await self._view(call)

    # --- acting -------------------------------------------------------------------------------------------------

    async def _act(self, call: Call) -> Answer:
        """Have the service do what was asked, where this visitor may."""
        visitor, from_form = call.visitor, is_form(call.headers)
        if not visitor.acts:
            raise Refusal(403, NEEDS_ADMIN if self._rights.has_tokens else ONLY_SHOWS)
        action, about = actions.asked(call.path[1:], self._config.models)
        is_read = not from_form and not action.is_hint  # a webhook says whatever it does
        given = dict(form_fields(call.body)) if from_form else decoded(call.body, call.headers) if is_read else {}
        csrf = given.pop("csrf", [""])[-1] if from_form else call.headers.get("x-csrf-token", "")
        if visitor.csrf and (visitor.is_known or from_form):
            rights.check_csrf(visitor, csrf)
        args = about | ({} if action.is_hint else actions.arguments(action, given))
        outcome = await self.acting.ask(action, args, visitor.name)
        return answers.moved(f"/asked/{outcome.asked}") if from_form else self._told(outcome)

    def _told(self, outcome: Outcome) -> Answer:
        status = {"done": 200, "refused": 409}.get(outcome.state, 202)
        told = outcome.to_json() | ({"error": outcome.message} if status == 409 else {})
        return answers.data(told, status, (("location", f"/api/asked/{outcome.asked}"),))

    def _shown(self, outcome: Outcome) -> Answer:
        title = {"done": "Done", "refused": "Not done"}.get(outcome.state, "Asked")
        back = "/" if outcome.model is None else f"/m/{quote(outcome.model)}"
        headers = (("refresh", str(AGAIN_S)),) if outcome.is_open else ()
        return answers.page(sentence_page(title, outcome.message, back), 200, headers)

    # --- views --------------------------------------------------------------------------------------------------

    async def _view(self, call: Call) -> Answer:
        """A page, or the facts of it below /api."""
        path = call.path[1:] if call.is_data else call.path
        body = await self.rendering.run(self._body, call, path)
        if body is None:
            raise Refusal(404, "nothing is here: no such model, cycle, file or view")
        if call.is_data:
            return Answer(200, "application/json", body)
        return Answer(200, "image/svg+xml" if path[:1] == ("badge",) else HTML, body)

    def _body(self, call: Call, path: tuple[str, ...]) -> bytes | None:
        """It as it is sent, made once for all who may do the same; None where there is no such view."""
        visitor, is_data = call.visitor, call.is_data
        asked = Asked(path, call.query, visitor.acts, self._mark, call.now)

        def make() -> bytes | None:
            if is_data:
                facts = self._reading.view(facts_of, asked)
                return None if facts is None else encoded(facts)
            text = self._reading.view(html_of, asked)
            return None if text is None else text.encode("utf-8", "backslashreplace")

        body = self._shared.get((is_data, path, tuple(sorted(call.query.items())), visitor.acts), make)
        return None if body is None else body.replace(self._mark.encode(), visitor.csrf.encode())

    # --- sessions -----------------------------------------------------------------------------------------------

    def _login(self, call: Call) -> Answer:
        place = safe_place(call.form.get("next", "/"))
        value = self._rights.begin(call.form.get("token", ""), call.now)
        if value is None:
            reason = "This token is not known." if self._rights.has_tokens else "No token is configured."
            return self._form(place, reason, 403)
        is_secure = call.headers.get("origin", "").startswith("https:")
        return answers.moved(place, (("set-cookie", rights.cookie(value, is_secure)),))

    def _logout(self, call: Call) -> Answer:
        """Where somebody is logged in, the form must be of his session."""
        if call.visitor.csrf:
            rights.check_csrf(call.visitor, call.form.get("csrf", ""))
        return answers.moved("/login", (("set-cookie", rights.cookie("", False)),))

    def _unknown(self, call: Call) -> Answer:
        """Who is not known may say who he is. A browser that follows a link from elsewhere sends no cookie of ours the
        first time: it is asked to come again."""
        if call.is_data or call.request.method == "POST":
            raise Refusal(401, "this needs a token: Authorization: Bearer TOKEN, or a session of /login", rights.BEARER)
        comes_from = call.headers.get("sec-fetch-site", "")
        again = comes_from in ("cross-site", "same-site") and "cookie" not in call.headers
        return self._form(safe_place(call.request.path), TO_SEE, 401, again)

    def _form(self, place: str, reason: str = TO_SEE, status: int = 200, again: bool = False) -> Answer:
        return answers.page(login_page(reason, place), status, (("refresh", "0"),) if again else ())

    def _door(self, call: Call) -> Answer:
        if call.visitor.is_known:
            return answers.page(logout_page(call.visitor))
        return self._form("/") if self._rights.has_tokens else answers.page(open_page(call.visitor))

    # --- what is refused ----------------------------------------------------------------------------------------

    def refused(
        self,
        request: Request,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """As JSON where JSON was asked for, else as a page of one sentence."""
        if request.path.startswith("/api") and not is_form(dict(request.headers)):
            return answers.data({"error": reason}, status, headers)
        title = "Not found" if status == 404 else "This did not work"
        return answers.page(sentence_page(title, reason, "/"), status, headers)


def parts_of(path: str) -> tuple[str, ...]:
    """The decoded parts of a path as it was sent, bytes that are no UTF-8 as in names of files; Refusal 404 for what
    can be no address of the page.

    >>> parts_of("/"), parts_of("/m/churn/file/a%2Fb.csv"), parts_of("/m/../"), parts_of("/m/caf%E9.csv")
    ((), ('m', 'churn', 'file', 'a/b.csv'), ('m', '..'), ('m', 'caf\\udce9.csv'))
    """
    if len(path) > LONGEST_PATH:
        raise Refusal(404, "no address of the page is so long")
    parts = tuple(unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in path.split("/")[1:])
    return parts[:-1] if parts[-1:] == ("",) else parts


def safe_place(place: str) -> str:
    """A path of this server, to which a form may lead; "/" for anything else.

    >>> [safe_place(one) for one in ("/m/churn", "//evil.example", "https://evil.example", "/\\\\evil.example")]
    ['/m/churn', '/', '/', '/']
    """
    is_path = place.startswith("/") and not place.startswith("//")
    is_plain = place.isascii() and place.isprintable() and "\\" not in place and len(place) <= LONGEST_PATH
    return place if is_path and is_plain else "/"


def static(name: str) -> Answer:
    """A file that comes with driftd; Refusal 404 for any other name."""
    found = static_file(name)
    if found is None:
        raise Refusal(404, "there is no such file")
    return Answer(200, *found, cached_s=answers.KEPT_S)
