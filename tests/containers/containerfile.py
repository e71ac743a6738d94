"""Makes a root file system of a Containerfile, by its own instructions, without a container engine: each stage is a copy
of a Debian root file system, in which what RUN says is run. Root alone can."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOLD = frozenset({"LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "USER"})
"""What changes no file: an engine looks at these when it starts the image."""
INDEX = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
"""Of pip's settings those that say where packages come from."""
ENTER = """
set -e
cd "$1"; shift
mount --bind . . && cd .
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
for name in hosts resolv.conf; do touch etc/$name; mount --bind /etc/$name etc/$name; done
if [ -n "$1" ]; then touch run/certificates; mount --bind "$1" run/certificates; fi; shift
exec chroot . "$@"
"""


@dataclass(frozen=True)
class Instruction:
    """One of a Containerfile, its lines made one."""

    name: str
    text: str


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next; `name` is that behind AS, else empty."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def told(self, name: str) -> str:
        """The last instruction of that name."""
        return next(one.text for one in reversed(self.instructions) if one.name == name)

    def words(self, name: str) -> list[str]:
        """Of an instruction that is a list in JSON, behind whatever options it has."""
        found: list[str] = json.loads(self.told(name)[self.told(name).index("[") :])
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """KEY=VALUE of all instructions of that name."""
        words = [word for one in self.instructions if one.name == name for word in shlex.split(one.text)]
        return dict(word.split("=", 1) for word in words)


def instructions(text: str) -> Iterator[Instruction]:
    """Without comments, a backslash at the end of a line goes on in the next one.

    >>> list(instructions("# a\\nRUN a \\\\\\n  && b\\nUSER 1\\n"))
    [Instruction(name='RUN', text='a && b'), Instruction(name='USER', text='1')]
    """
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\s*\\\n\s*", " ", lines).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield Instruction(name.upper(), rest.strip())


def stages(text: str) -> tuple[list[Stage], dict[str, str]]:
    """The stages, and the arguments before the first one with their defaults."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for one in instructions(text):
        if one.name == "FROM":
            base, _, name = one.text.partition(" AS ")
            found.append(Stage(base, name.strip(), ()))
        elif not found:
            assert one.name == "ARG", one
            arguments |= dict([one.text.split("=", 1)])
        else:
            last = found[-1]
            found[-1] = Stage(last.base, last.name, (*last.instructions, one))
    return found, arguments


@dataclass
class Build:
    """Into folders below `folder`, from `debian` for every base and from the files of `context`."""

    debian: Path
    folder: Path
    context: Path
    arguments: Mapping[str, str] = field(default_factory=dict)

    def run(self, text: str) -> tuple[Path, Stage]:
        """The root file system of the last stage, and that stage."""
        found, _ = stages(text)
        roots: dict[str, Path] = {}
        for number, stage in enumerate(found):
            root = self.folder / f"stage-{number}"
            subprocess.run(["cp", "-a", "--reflink=auto", self.debian, root], check=True)
            roots[stage.name or str(number)] = root
            self._make(stage, root, roots)
        return root, stage

    def _make(self, stage: Stage, root: Path, roots: Mapping[str, Path]) -> None:
        environment, here = {"PATH": PATH}, Path("/")
        for one in stage.instructions:
            if one.name == "ARG":
                name, _, default = one.text.partition("=")
                environment[name] = self.arguments.get(name, default)
            elif one.name == "ENV":
                environment |= dict(word.split("=", 1) for word in shlex.split(one.text))
            elif one.name == "WORKDIR":
                here = here / one.text
                inside(root, here).mkdir(parents=True, exist_ok=True)
            elif one.name == "COPY":
                self._copy(one.text, inside(root, here), root, roots)
            elif one.name == "RUN":
                enter(root, ["sh", "-c", f"cd {here} && {one.text}"], environment)
            else:
                assert one.name in TOLD, one

    def _copy(self, text: str, here: Path, root: Path, roots: Mapping[str, Path]) -> None:
        words = text.split()
        source = self.context
        if words[0].startswith("--from="):
            source = roots[words.pop(0).partition("=")[2]]
        *names, to = words
        target = inside(root, Path(to)) if to.startswith("/") else here / to
        for name in names:
            found = source / name.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(found, target)


def inside(root: Path, path: Path) -> Path:
    """Where an absolute path of a root file system is."""
    return root / path.relative_to("/")


def enter(root: Path, command: list[str], environment: Mapping[str, str]) -> None:
    """Run a command in a root file system, which it may write, with the network and the package index of this machine."""
    settings, certificates = index_settings()
    words = [f"{name}={value}" for name, value in (dict(environment) | settings).items()]
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*namespaces, "sh", "-c", ENTER, "sh", str(root), certificates, "env", "-i", *words, *command],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def index_settings() -> tuple[dict[str, str], str]:
    """Where pip finds packages on this machine, as the environment's variables say it; and a file of certificates, if
    pip is told of one."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in told.stdout.splitlines())
    values = {name.rpartition(".")[2]: value.strip("'") for name, value in found.items()}
    settings = {f"PIP_{name.upper().replace('-', '_')}": values[name] for name in INDEX if name in values}
    settings = {name: value for name, value in settings.items() if not value.startswith("file:")}
    certificates = values.get("cert", "")
    if not Path(certificates).is_file():
        return settings, ""
    return settings | {"PIP_CERT": "/run/certificates"}, certificates
