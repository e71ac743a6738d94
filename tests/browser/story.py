"""What the daemon of these tests went through before somebody looks: versions, a question, and names that try to break
out."""

import itertools

import pyarrow.csv
from daemon_harness import Daemon, drop, rows

TRIGGERS = """
first_rows = 300
on_drift = false
on_performance = false
growth = 1e9
regret = false
cooldown = "100ms"
"""
COLUMNS = 'x = "number"\nz = "number"\ncolour = "category"\nlabel = "category"\n'
SERVICE = 'read_token_file = "read"\nadmin_token_file = "admin"\nworkers = 2'
CONFIG = f"""\
intake.settle = "100ms"
[models.m.triggers]{TRIGGERS}
[models.asks]
data_dir = "asks"
task = "classification"
target = "label"
metric = "accuracy"
mode = "approve"
intake.settle = "100ms"
[models.asks.triggers]{TRIGGERS}
[models.asks.columns]
{COLUMNS}
[models.strange]
data_dir = "strange"
task = "classification"
target = "label"
metric = "accuracy"
intake.settle = "100ms"
[models.strange.triggers]{TRIGGERS}
"""
STRANGE = "<script>alert(1)<\u2215script>\"'><img src=x onerror=alert(2)>\u202egpj\u2066&lt;\x1b[31m"
"""A name that tries to break out; the slash of its tag is none, so that it can be a file's."""
LEARNS_S = 400.0
"""For what has to be learned: trainings of three models, one after the other on a machine that may be busy."""
NUMBERS = itertools.count(5)


def learn(daemon: Daemon) -> None:
    """Two versions of `m`, a challenger of `asks`, and a version of what is strange."""
    drop(rows(1), daemon.data / "a.csv")
    drop(rows(2), daemon.folder / "asks" / "a.csv")
    strange = rows(3)
    strange = strange.set_column(2, STRANGE, [[f"{STRANGE} {colour}" for colour in strange["colour"].to_pylist()]])
    drop(strange, daemon.folder / "strange" / f"{STRANGE}.csv")
    for event, model in (("model_swapped", "m"), ("model_swapped", "strange"), ("approval_needed", "asks")):
        daemon.wait(event, timeout_s=LEARNS_S, model=model)
    since = len(daemon.events)
    drop(rows(4, 2000, shift=2.0, flip=True), daemon.data / "b.csv")
    daemon.wait("check_finished", since=since, file="b.csv")
    daemon.cli("retrain", "m")
    daemon.wait("model_swapped", since=since, timeout_s=LEARNS_S, model="m")
    moved = strange.set_column(0, "x", [[value + 3 for value in strange["x"].to_pylist()]])
    moved = moved.set_column(2, STRANGE, [[f"<b>{STRANGE}"] * len(moved)])
    moved = moved.set_column(3, "label", [[STRANGE] * 40 + moved["label"].to_pylist()[40:]])
    text = daemon.folder / "moved.csv"
    pyarrow.csv.write_csv(moved, text)
    text.write_text(text.read_text("utf-8") + f'"<i>{STRANGE.replace(chr(34), chr(34) * 2)}",1,red,yes\n', "utf-8")
    text.rename(daemon.folder / "strange" / "moved.csv")
    daemon.wait("check_finished", since=since, file="moved.csv")


def waiting_cycle(daemon: Daemon) -> int:
    """The cycle of `asks` that waits for approval; where none does, rows that its model is wrong about bring one."""
    cycle = daemon.json("status")["models"]["asks"]["cycle"]
    if cycle is None:
        since, number = len(daemon.events), next(NUMBERS)
        drop(rows(number, 2000, shift=2.0 * number, flip=number % 2 == 1), daemon.folder / "asks" / f"{number}.csv")
        daemon.wait("check_finished", since=since, model="asks")
        daemon.cli("retrain", "asks")
        return int(daemon.wait("approval_needed", since=since)["cycle_id"])
    return int(cycle["id"])


def drop_small(daemon: Daemon) -> str:
    """A file of `m` that changes nothing; its name, once it is checked."""
    number = next(NUMBERS)
    since, name = len(daemon.events), f"small-{number}.csv"
    drop(rows(number, 60, shift=2.0, flip=True), daemon.data / name)
    daemon.wait("check_finished", since=since, file=name)
    return name
