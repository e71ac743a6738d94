"""What is done to the service, each thing at its own pace: files of all formats, good and bad, requests, labels by file
and by feedback, events, commands, and people who look."""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from benchmarks.soak import world
from benchmarks.soak.service import Service

ANSWER_S = 30.0
LABELS_AFTER_S = 20.0
KEPT_S = 60.0
FIRST_FILES, FIRST_S = 110, 1_800.0
COMMANDS = ("promote", "retrain", "hold", "promote", "release", "rollback", "pause", "resume")
LOOKS = (
    "/metrics", "/v2/health/ready", "/v2/models/churn", "/v2/models/shop",
    "/", "/m/churn", "/m/churn/versions", "/m/shop", "/log", "/doctor", "/api/m/price",
)  # fmt: skip


class Load:
    """Work that falls due; `file_s` seconds pass between two files of the first model. `answers` counts statuses."""

    def __init__(self, service: Service, file_s: float) -> None:
        self._service = service
        self._client = httpx.Client(base_url=service.url, timeout=ANSWER_S)
        self._asked: deque[tuple[float, str, str]] = deque()
        self._number: Counter[str] = Counter()
        self._held = ""
        self.answers: Counter[str] = Counter()
        works: list[tuple[float, Callable[[], None]]] = [
            (0.25, self._predict), (2.0, self._feedback), (1.0, self._recommend), (file_s, self._churn_file),
            (3 * file_s, self._price_file), (5 * file_s, self._shop_file), (60.0, self._odd_files),
            (30.0, self._command), (10.0, self._look), (10.0, self._clean),
        ]  # fmt: skip
        self._works = works
        self._due = [0.0] * len(works)

    def first_files(self) -> None:
        """As many of each model as retention always keeps, and until they are taken in and a version is served."""
        for _ in range(FIRST_FILES):
            self._churn_file()
            self._price_file()
            self._shop_file()
        for model in ("churn", "price", "shop"):
            self._service.wait("model_swapped", timeout_s=FIRST_S, model=model)
        self._service.taken_in(3 * FIRST_FILES, FIRST_S)

    def run(self, until_s: float) -> Iterator[float]:
        """Work until then (monotonic), and give the moment after each round."""
        while (now := time.monotonic()) < until_s:
            for position, (every_s, work) in enumerate(self._works):
                if now >= self._due[position]:
                    self._due[position] = max(self._due[position], now - every_s) + every_s
                    with contextlib.suppress(httpx.HTTPError):
                        work()
            yield now
            time.sleep(0.05)

    def rest(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._client = httpx.Client(base_url=self._service.url, timeout=ANSWER_S)

    # --- over HTTP --------------------------------------------------------------------------------------

    def _post(self, path: str, body: Any) -> None:
        what = path.rpartition("/")[2]
        try:
            status = str(self._client.post(path, json=body).status_code)
        except httpx.HTTPError as error:
            status = type(error).__name__
        self.answers[f"{what} {status}"] += 1

    def _predict(self) -> None:
        number = self._next("asked")
        table = world.rows(self._number["churn"], 4)
        ids = [f"t{number}-{i}" for i in range(4)]
        self._asked.extend(zip([time.monotonic()] * 4, ids, table["label"].to_pylist(), strict=True))
        self._post("/models/churn/predict", {"rows": table.select(["x", "z", "colour"]).to_pylist(), "ids": ids})
        if number % 4 == 0:
            self._post("/models/price/predict", {"rows": [{"x": 0.1, "z": -0.2}]})

    def _feedback(self) -> None:
        ready = []
        while self._asked and self._asked[0][0] < time.monotonic() - LABELS_AFTER_S:
            _, key, label = self._asked.popleft()
            ready.append({"id": key, "label": label})
        if ready:
            self._post("/models/churn/feedback", {"labels": ready})

    def _recommend(self) -> None:
        number = self._next("visit")
        self._post("/models/shop/recommend", {"users": [f"u{number % world.USERS:03d}", "nobody"], "k": 5})
        event = {"user": f"u{number % world.USERS:03d}", "item": f"i{number % world.ITEMS:03d}"}
        self._post("/models/shop/feedback", {"events": [event]})

    def _look(self) -> None:
        for path in LOOKS:
            self.answers[f"{path} {self._client.get(path).status_code}"] += 1

    # --- files ------------------------------------------------------------------------------------------

    def _churn_file(self) -> None:
        number = self._next("churn")
        table = world.rows(number)
        if number % 4 == 3:
            table = table.drop_columns(["label"])
        elif number % 4 == 1 and number > 4:
            late = number - 2
            self._write("churn", world.rows(late).select(["id", "label"]), f"labels-{late}", number // 4)
        self._held = self._write("churn", table, f"rows-{number}", number)

    def _price_file(self) -> None:
        number = self._next("price")
        self._write("price", world.priced(number), f"rows-{number}", number)

    def _shop_file(self) -> None:
        number = self._next("shop")
        self._write("shop", world.shopped(number, time.time()), f"events-{number}", number)

    def _odd_files(self) -> None:
        """A file that is none, one with bad rows, and a copy of one that was there."""
        number = self._next("odd")
        folder = self._folder("churn")
        (folder / f"none-{number}.csv").write_text(f"this,is\nnot,{number}\n")
        text = "id,x,z,colour,label\n" + "".join(
            f"o{number}-{i},{i if i % 9 else 'abc'},1,red,yes\n" for i in range(60)
        )
        (folder / f"bad-{number}.csv").write_text(text)
        self._write("churn", world.rows(self._number["churn"]), f"copy-{number}", number)

    def _clean(self) -> None:
        for path in self._service.folder.glob("data/*/*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - KEPT_S:
                    path.unlink()

    # --- commands ---------------------------------------------------------------------------------------

    def _command(self) -> None:
        number = self._next("command")
        name = COMMANDS[number % len(COMMANDS)]
        model = "shop" if name == "retrain" and number % 16 > 8 else "churn"
        more = {}
        if name == "promote":
            stored = self._service.stored(model)
            more = {"version": stored[number % len(stored)]}
        elif name in ("hold", "release"):
            more = {"file": self._held}
        self._service.ask(name, model=model, **more)

    def _next(self, what: str) -> int:
        self._number[what] += 1
        return self._number[what] - 1

    def _folder(self, model: str) -> Path:
        return self._service.folder / "data" / model

    def _write(self, model: str, table: pa.Table, name: str, number: int) -> str:
        return world.write(table, self._folder(model), name, number).name
