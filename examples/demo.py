"""The main job of `make run`: runs driftd on the example flights and plays the months into its folder.

January to March of 2013 are there from the start; each later month is dropped when driftd is done with the
one before. Lines of this script begin with an arrow. Everything else is the daemon's own log: on a terminal behind a
bar, else as the JSON lines that it is.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from daemon.config.config import Config, ConfigErrors, load_config, model_data_dir

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config.toml"
MONTHS = Path(__file__).resolve().parent / "flights"
MODEL = "flights"
FIRST_MONTHS = 3
QUIET_S = 12.0  # longer than the cool-down of config.toml: a month may still open its cycle that late
LOOK_S = 1.5
STOP_TIMEOUT_S = 40.0

# Delta 2594 from JFK to San Antonio on Saturday, 14 December 2013, 19:00, in sleet: it arrived late.
FLIGHT = {
    "scheduled_departure": 1140, "scheduled_arrival": 1350, "weekday": "sat", "carrier": "DL",
    "origin": "JFK", "dest": "SAT", "distance": 1587, "plane_year": 1998, "plane_seats": 182,
    "plane_engines": 2, "temp": 30.02, "dewp": 26.06, "humid": 85.0, "wind_dir": 50.0,
    "wind_speed": 17.2617, "precip": 0.03, "pressure": 1021.1, "visib": 1.25,
}  # fmt: skip


class DaemonEndedError(Exception):
    """The daemon ended by itself; its log says why."""


class Daemon:
    """The running `driftd run`, and what this script asks of it."""

    def __init__(self, config: Config) -> None:
        self.url = f"http://{config.service.listen}"
        # A process group of its own: Ctrl-C comes to this script, which stops the daemon once and in order.
        self._log: threading.Thread | None = None
        if sys.stdout.isatty():
            command, to = driftd("run", "--log-format", "console"), subprocess.PIPE
            self.process = subprocess.Popen(command, process_group=0, stdout=to, stderr=subprocess.STDOUT, text=True)
            self._log = threading.Thread(target=self._show_log, daemon=True)
            self._log.start()
        else:
            self.process = subprocess.Popen(driftd("run"), process_group=0)

    def _show_log(self) -> None:
        """The daemon's lines apart from the story's."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print(styled(f"  │ {line.rstrip()}", "2"), flush=True)

    def wait(self, seconds: float) -> None:
        """Let time pass; DaemonEndedError if the daemon did not last."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise DaemonEndedError

    def until(self, done: Callable[[], bool]) -> None:
        """Let time pass until `done()`."""
        while not done():
            self.wait(LOOK_S)

    def predict(self) -> dict[str, Any] | None:
        """What the served version says of FLIGHT; None while there is no answer."""
        body = json.dumps({"rows": [FLIGHT]}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/models/{MODEL}/predict", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except (urllib.error.URLError, OSError):
            return None

    def dealt_with(self, name: str) -> bool:
        """Whether a month was taken in, and no cycle is open."""
        model = self.ask("status").get("models", {}).get(MODEL)
        if model is None or model["last_file"] is None:
            return False
        return bool(model["last_file"]["path"] == name and model["cycle"] is None)

    def ask(self, *command: str) -> Any:
        """What a command of `driftd` reports."""
        done = subprocess.run(driftd(*command, "--json"), capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def stop(self) -> int:
        """Stop it as Ctrl-C would, and its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if self._log is not None:
            self._log.join(STOP_TIMEOUT_S)
        return status


def main() -> int:
    """Run until Ctrl-C; the exit status."""
    os.chdir(ROOT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        config = load_config(CONFIG)
    except ConfigErrors as error:
        print(error, file=sys.stderr)
        return 2
    folder = model_data_dir(config, MODEL)
    if sys.stdout.isatty():
        say("this is the story; driftd's own log stands behind a bar: │")
    place_first(folder)
    daemon = Daemon(config)
    try:
        play(daemon, folder)
    except DaemonEndedError:
        say("driftd ended by itself; the lines above say why.")
        return daemon.process.returncode or 3
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("stopping driftd")
    status = daemon.stop()
    if status == 0:
        say("stopped. `make run` goes on from here; `rm -r state data` begins anew.")
    return status


def play(daemon: Daemon, folder: Path) -> NoReturn:
    """The story: a first version, then month after month."""
    daemon.until(lambda: daemon.predict() is not None)
    tell_served(daemon)
    for month in months()[FIRST_MONTHS:]:
        if not place(month, folder):
            continue
        say(f"dropped {month.name} into {shown(folder)}: watch its check, and what driftd makes of it")
        daemon.until(Quiet(daemon, month.name))
    say("all twelve months are in. To see what happened and why, in another terminal:")
    for command in ("status", f"history {MODEL}", "explain 2"):
        print(f"      .venv/bin/driftd {command}")
    say("driftd goes on watching and serving until Ctrl-C")
    while True:
        daemon.wait(3600)


class Quiet:
    """True once a month was taken in and no cycle was open for QUIET_S."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self._daemon = daemon
        self._name = name
        self._since: float | None = None

    def __call__(self) -> bool:
        if not self._daemon.dealt_with(self._name):
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since >= QUIET_S


def tell_served(daemon: Daemon) -> None:
    """Print a request that works when pasted, and its answer now."""
    answer = daemon.predict()
    if answer is None:
        return
    say(f"{answer['version']} is served. Ask it, in another terminal, about a real flight in December sleet:")
    request = shlex.quote(json.dumps({"rows": [FLIGHT]}))
    print(f"\ncurl -s {daemon.url}/models/{MODEL}/predict -H 'content-type: application/json' -d {request}\n")
    say(f"it answers: late? {answer['predictions'][0]}, {answer['probabilities'][0]}")


def months() -> list[Path]:
    """The example's files, in order."""
    return sorted(MONTHS.glob("2013-*.parquet"))


def place_first(folder: Path) -> None:
    """Have the first months in the folder before the daemon looks."""
    placed = [month.name for month in months()[:FIRST_MONTHS] if place(month, folder)]
    if placed:
        say(f"placed {', '.join(placed)} in {shown(folder)}")
    else:
        there = len(list(folder.glob("2013-*.parquet")))
        say(f"going on from {shown(folder)}, where {there} months are already")


def place(month: Path, folder: Path) -> bool:
    """Copy a month under another name, then rename it; False if it is there already."""
    final = folder / month.name
    if final.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{month.name}.part"
    shutil.copyfile(month, temporary)
    temporary.replace(final)
    return True


def driftd(*arguments: str) -> list[str]:
    """The command line of `driftd` in this environment."""
    return [sys.executable, "-m", "daemon", "-c", str(CONFIG), *arguments]


def shown(path: Path) -> str:
    """A path as a reader in this folder would write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def say(sentence: str) -> None:
    """One line of narration, on a terminal bold and with room before it."""
    print(("\n" if sys.stdout.isatty() else "") + styled(f"→ {sentence}", "1"), flush=True)


def styled(text: str, style: str) -> str:
    """Bold ("1") or faint ("2") on a terminal that takes it."""
    return f"\033[{style}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def interrupt(*_: object) -> NoReturn:
    """Every polite signal means the same."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
