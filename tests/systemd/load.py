"""Constant predictions inside the container until standard input ends; then prints what came of them as JSON."""

import http.client
import json
import sys
import threading

BODY = json.dumps({"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]})
TELL_EVERY = 100
ANSWER_S = 120.0
PAUSE_S = 0.02
"""Between two requests of a thread: who restarts beside them needs the processors, too."""


class Load:
    """Threads that ask, each over a connection that it keeps until the server asks it to leave."""

    def __init__(self, port: int, threads: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers = 0
        self.failures: list[str] = []
        self.versions: set[str] = set()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def run(self) -> None:
        """Ask until standard input ends."""
        for thread in self._threads:
            thread.start()
        sys.stdin.read()
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _count(self) -> None:
        with self._lock:
            self.answers += 1
            if self.answers % TELL_EVERY == 0:
                print("more", flush=True)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        while not self._stop.wait(PAUSE_S):
            try:
                connection.request("POST", "/models/m/predict", BODY, {"content-type": "application/json"})
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if response.status == 200:
                self._count()
                self.versions.add(json.loads(text)["version"])
            else:
                self.failures.append(f"{response.status} {text[:200]!r}")
            # http.client closes by itself after `connection: close`, and connects again at the next request.


if __name__ == "__main__":
    load = Load(int(sys.argv[1]), int(sys.argv[2]))
    load.run()
    print(json.dumps([load.answers, load.failures, sorted(load.versions)]))
