"""What can be asked below /api, described as OpenAPI 3.1, from the same declarations by which it is answered."""

from importlib.metadata import version
from typing import Any

from daemon.page.actions import OF_A_MODEL, OF_THE_SERVICE, Action

VIEWS = (
    ("/api/", "All models: the sentence of the page, and where each stands."),
    ("/api/m/{model}", "One model: quality over time, what changed, what comes."),
    ("/api/m/{model}/cycle/{cycle}", "A cycle: why it was opened, what was compared, what was decided."),
    ("/api/m/{model}/file/{file}", "A data file: its check, its rejected rows. Slashes of its name are sent as %2F."),
    ("/api/m/{model}/versions", "The versions, from the files that made them to where they serve."),
    ("/api/log", "The newest events of the log."),
    ("/api/doctor", "What is wrong, and how it is mended."),
)
"""The views and what they show, each also a page without /api."""
KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "integer", "minimum": 0},
    "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1},
}
NAMES = {"model": "text", "cycle": "number", "file": "text", "asked": "text"}
OUTCOME = {
    "type": "object",
    "required": ["asked", "state", "message"],
    "properties": {
        "asked": {"type": "string", "description": "its name: /api/asked/NAME says what became of it"},
        "state": {"enum": ["kept", "queued", "done", "refused"]},
        "message": {"type": "string"},
        "command": {"type": ["integer", "null"], "description": "its number in the ledger"},
        "name": {"type": "string"},
        "model": {"type": ["string", "null"]},
        "error": {"type": "string", "description": "the message, where it is refused"},
    },
}
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
REFUSALS = {
    "400": "the request is at fault", "401": "no token or an unknown one", "403": "not allowed",
    "404": "there is no such thing", "415": "a content type that is not taken",
    "503": "the page does not answer, or too much waits", "507": "it could not be kept",
}  # fmt: skip


def description() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, Any] = {path: {"get": _view(path, says)} for path, says in VIEWS}
    paths |= {f"/api/m/{{model}}/{one.name}": {"post": _action(one, "model")} for one in OF_A_MODEL}
    paths |= {f"/api/{one.name}": {"post": _action(one)} for one in OF_THE_SERVICE}
    paths["/api/asked/{asked}"] = {"get": _asked()}
    paths["/api/events"] = {"get": _events()}
    paths["/api/openapi.json"] = {"get": _got("This description.", (), {"type": "object"})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "driftd", "version": version("driftd"), "description": "The status page, as JSON."},
        "paths": paths,
        "components": {
            "schemas": {"Outcome": OUTCOME, "Error": ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "driftd_session"},
            },
        },
        "security": [{"token": []}, {"session": []}, {}],
    }


def _view(path: str, says: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return _got(says, names, {"type": "object"})


def _got(says: str, names: Any, schema: dict[str, Any]) -> dict[str, Any]:
    answers = {"200": {"description": "it", "content": {"application/json": {"schema": schema}}}}
    return {"summary": says, "parameters": _parameters(names), "responses": answers | _refusals("401", "404", "503")}


def _asked() -> dict[str, Any]:
    found = _got("What became of what was asked.", ("asked",), {"$ref": "#/components/schemas/Outcome"})
    return found | {"responses": _outcomes() | _refusals("401", "404", "503")}


def _events() -> dict[str, Any]:
    found = _got("Server-sent events: `logged`, an event of the log, and `changed`, once a second at most.", (), {})
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return found | {"responses": {"200": {"description": "a stream", "content": content}} | _refusals("401", "503")}


def _action(action: Action, *names: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {field.name: KINDS[field.kind] | {"description": field.says} for field in action.fields},
        "required": [field.name for field in action.fields if field.is_needed],
        "additionalProperties": False,
    }
    kinds = ("application/json", "application/x-www-form-urlencoded")
    body = {"required": bool(schema["required"]), "content": {kind: {"schema": schema} for kind in kinds}}
    responses = _outcomes() | {"303": {"description": "of a form: look there"}} | _refusals(*REFUSALS)
    return {"summary": action.says, "parameters": _parameters(names), "requestBody": body, "responses": responses}


def _outcomes() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Outcome"}}}
    said = {"200": "it is done", "202": "it is kept, and will be done", "409": "the service refused it"}
    return {status: {"description": text, "content": content} for status, text in said.items()}


def _refusals(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": REFUSALS[status], "content": content} for status in statuses}


def _parameters(names: Any) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": KINDS[NAMES[name]]} for name in names]
