"""What the stories share: the example's folder, the running daemon, files put into its folders, lines of narration.

Lines of a story begin with an arrow. Everything else is the daemon's own log: on a terminal behind a bar, else as the
JSON lines that it is.
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from daemon.config.config import Config, ConfigErrors, load_config
from daemon.runtime.printable import PrintableStream
from retrain.records.errors import WrongUse

EXAMPLE = Path(__file__).with_name("config.toml")
LOOK_S, LISTEN_S = 1.0, 0.2
STOP_TIMEOUT_S = 40.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IN_MAKE = "DRIFTD_DEMO_TARGET"
"""Names the target of make that began it, for what is said at the end."""
Story = Callable[["Daemon", Config], NoReturn]


class DaemonEndedError(Exception):
    """The daemon ended by itself; its log says why."""


class Daemon:
    """The running `driftd run`, and what the stories ask of it. `asked` has what came of `listen`."""

    def __init__(self, config: Config, asked: Sequence[int]) -> None:
        self._asked = asked
        self.url, self._config = f"http://{config.service.listen}", config.path
        # A process group of its own: Ctrl-C comes to this script, which stops the daemon once and in order.
        self.process: subprocess.Popen[Any]
        self._log: threading.Thread | None = None
        if sys.stdout.isatty():
            command, to = driftd(config.path, "run", "--log-format", "console"), subprocess.PIPE
            self.process = subprocess.Popen(  # noqa: S603 (our own command line)
                command, process_group=0, stdout=to, stderr=subprocess.STDOUT, text=True
            )
            self._log = threading.Thread(target=self._show_log, daemon=True)
            self._log.start()
        else:
            self.process = subprocess.Popen(driftd(config.path, "run"), process_group=0)  # noqa: S603
        self._ended = threading.Event()
        self._waiting = threading.Thread(target=self._wait_for_end, daemon=True)
        self._waiting.start()

    @property
    def command(self) -> str:
        """How a reader in the working folder would call `driftd` for it."""
        called = Path(sys.argv[0])
        name = shown(called) if called.name == "driftd" and shutil.which("driftd") != str(called) else "driftd"
        default = self._config.resolve() == (Path.cwd() / "config.toml").resolve()
        return name if default else f"{name} -c {shlex.quote(shown(self._config))}"

    def _show_log(self) -> None:
        """The daemon's lines apart from the story's."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            write(styled(f"  │ {line.rstrip()}", "2"))

    def _wait_for_end(self) -> None:
        """Nobody else waits for the process."""
        self.process.wait()
        self._ended.set()

    def wait(self, seconds: float) -> None:
        """Let time pass; DaemonEndedError if the daemon did not last, KeyboardInterrupt where its end was asked for."""
        until_s = time.monotonic() + seconds
        while not self._asked:
            left_s = until_s - time.monotonic()
            if self._ended.wait(max(0.0, min(LISTEN_S, left_s))):
                raise DaemonEndedError
            if left_s <= LISTEN_S:
                return
        raise KeyboardInterrupt

    def until(self, done: Callable[[], bool]) -> None:
        """Let time pass until `done()`."""
        while not done():
            self.wait(LOOK_S)

    def post(self, path: str, body: Any) -> dict[str, Any] | None:
        """What the server answers; None while there is no answer."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), headers)  # noqa: S310 (http)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
                return answer
        except (urllib.error.URLError, OSError):
            return None

    def ask(self, *command: str) -> Any:
        """What a command of `driftd` reports."""
        words = driftd(self._config, *command, "--json")
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def stop(self) -> int:
        """Stop it as Ctrl-C would, and its exit status."""
        if self._waiting.is_alive():
            self.process.send_signal(signal.SIGINT)
        self._waiting.join(STOP_TIMEOUT_S)
        if self._waiting.is_alive():
            self.process.kill()
            self._waiting.join()
        status: int = self.process.returncode
        if self._log is not None:
            self._log.join(STOP_TIMEOUT_S)
        return status


class Quiet:
    """True once a file of a model was taken in and no cycle was open for so many seconds."""

    def __init__(self, daemon: Daemon, model: str, name: str, quiet_s: float) -> None:
        self._daemon, self._model, self._name, self._quiet_s = daemon, model, name, quiet_s
        self._since: float | None = None

    def __call__(self) -> bool:
        if not self._dealt_with():
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since >= self._quiet_s

    def _dealt_with(self) -> bool:
        files = self._daemon.ask("files", self._model) or ()
        model = self._daemon.ask("status").get("models", {}).get(self._model)
        return any(one["path"] == self._name for one in files) and model is not None and model["cycle"] is None


def run(folder: Path, model: str, prepare: Callable[[Config], None], play: Story, option: str = "") -> int:
    """Prepare a folder, start driftd there and play the story of a model until Ctrl-C; the exit status. WrongUse where
    the folder's configuration is another one than the example's."""
    asked = listen()
    try:
        config = load_config(example_config(folder))
    except ConfigErrors as error:
        print(error, file=sys.stderr)
        return 2
    if model not in config.models:
        raise WrongUse(f"{config.path} has no model {model!r}", "name another folder: `driftd demo DIR`")
    if sys.stdout.isatty():
        say("this is the story; driftd's own log stands behind a bar: │")
    prepare(config)
    daemon = Daemon(config, asked)
    say(f"it can be watched on a page, too, in a few seconds: {daemon.url}/")
    try:
        play(daemon, config)
    except DaemonEndedError:
        say("driftd ended by itself; the lines above say why.")
        return daemon.process.returncode or 3
    except KeyboardInterrupt:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        say("stopping driftd")
    status = daemon.stop()
    if status == 0:
        say(f"stopped. {again(folder, option)}")
    return status


def example_config(folder: Path) -> Path:
    """The configuration of the example in a folder; both are made where they are missing."""
    path = folder / "config.toml"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLE, path)
        say(f"wrote {shown(path)}, the example's configuration, to read and to change")
    return path


def again(folder: Path, option: str) -> str:
    """How to go on, and how to begin anew."""
    if IN_MAKE in os.environ:
        return f"`make {os.environ[IN_MAKE]}` goes on from here; `rm -r state data` begins anew."
    where = shown(folder)
    begin = "rm -r state data" if folder.resolve() == Path.cwd() else f"rm -r {shlex.quote(where)}"
    words = " ".join(["driftd demo", *([option] if option else []), shlex.quote(where)])
    return f"`{words}` goes on from here; `{begin}` begins anew."


def rest(daemon: Daemon, told: str, commands: tuple[str, ...]) -> NoReturn:
    """The end of a story: what to look at, until Ctrl-C."""
    say(f"{told} To see what happened and why, in another terminal:")
    for command in commands:
        write(f"      {daemon.command} {command}")
    say("driftd goes on watching and serving until Ctrl-C")
    while True:
        daemon.wait(3600)


def place(file: Path, folder: Path, again: bool = False) -> bool:
    """Copy a file under another name, then rename it; False if it is there already, unless it is to go `again`."""
    final = folder / file.name
    if final.exists() and not again:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{file.name}.part"
    shutil.copyfile(file, temporary)
    temporary.replace(final)
    return True


def driftd(config: Path, *arguments: str) -> list[str]:
    """The command line of `driftd` in this environment."""
    return [sys.executable, "-m", "daemon", "-c", str(config), *arguments]


def shown(path: Path) -> str:
    """A path as a reader in the working folder would write it."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def say(sentence: str) -> None:
    """One line of narration, on a terminal bold and with room before it."""
    write(("\n" if sys.stdout.isatty() else "") + styled(f"→ {sentence}", "1"))


def write(line: str) -> None:
    """A line of the story or of the daemon, which writes no controls of others itself."""
    stream = sys.stdout.raw if isinstance(sys.stdout, PrintableStream) else sys.stdout
    print(line, file=stream, flush=True)


def styled(text: str, style: str) -> str:
    """Bold ("1") or faint ("2") on a terminal that takes it."""
    return f"\033[{style}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def listen() -> Sequence[int]:
    """The signals that ask for the end, as they come: every polite one means the same. They are noted and not raised:
    what is raised anywhere may be lost in a clean-up, or leave a lock of `subprocess` held for ever."""
    asked: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda came, _: asked.append(came))
    return asked
