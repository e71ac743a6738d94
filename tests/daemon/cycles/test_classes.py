"""New classes in the ledger: counted, withheld, approved by a person, learned by a version."""

import asyncio
import json

import pytest
from bare_model import BINARY, AnalystHere, bare_model
from structlog.testing import capture_logs

from daemon.cli.app import run as command_line
from daemon.cycles.classes import known_classes, learn_classes, withheld_classes
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import class_totals, due, files, observe
from daemon.reading.look import Look, look
from daemon.service.commands import HANDLERS
from retrain.records.errors import Refused
from retrain.records.planner_state import PlannerState

RESULT = {
    "kind": "rows", "snapshot": "s", "rows": 900, "labelled_rows": 900, "rejected": 0, "quarantine": None,
    "quality": {}, "first_time": None, "last_time": None, "rejects": [],
}  # fmt: skip


@pytest.fixture
def context(tmp_path):
    """Model m whose promoted version knows no and yes."""
    with bare_model(tmp_path, analyst=AnalystHere) as made:
        accept(made, "a", {"no": 500, "yes": 400})
        learn_no_and_yes(made)
        yield made


def learn_no_and_yes(context):
    """A first version that knows these classes is promoted."""
    version = context.folders.version("v0001-aaaaaaaa")
    version.mkdir(parents=True)
    (version / "schema.json").write_text('{"target": "y"}')
    (version / "training.json").write_text('{"classes": ["no", "yes"]}')
    with context.shared.ledger.begin() as conn:
        learn_classes(conn, "m", context.settings, version, 1)


def accept(context, path, class_rows):
    """A file with these labels is in."""
    with context.shared.ledger.begin() as conn:
        result = RESULT | {"class_rows": class_rows}
        return files.record_accepted(conn, "m", path, Look(1, 1, 1, 1), path, result, 0.0)


def withheld(context):
    """The names of the classes that do not count."""
    with context.shared.ledger.connect() as conn:
        found = withheld_classes(conn, "m", context.settings, context.folders.versions)
    return [one.name for one in found]


def approve(context, *classes):
    """As the command line asks for it."""
    with context.shared.ledger.begin() as conn:
        return HANDLERS["approve_class"](conn, context, {"model": "m", "classes": list(classes)})


def test_a_new_class_teaches_after_approval_and_enough_rows(context):
    """Either alone is not enough; with both a cycle is asked for, and the class stays known without its rows."""
    accept(context, "b", {"no": 10, "maybe": 7})
    assert withheld(context) == ["maybe"]
    assert "7 rows of the 20" in approve(context, "maybe") and withheld(context) == ["maybe"]
    with context.shared.ledger.connect() as conn:
        assert due.pending(conn, "m", "manual") == ()
    accept(context, "c", {"maybe": 13, "later": 20})
    assert withheld(context) == ["later"]
    assert "a cycle opens" in approve(context, "later") and withheld(context) == []
    with context.shared.ledger.connect() as conn:
        assert len(due.pending(conn, "m", "manual")) == 1


def test_an_approved_class_opens_a_cycle_once_its_rows_are_there(context):
    """The file that brings the last of them asks for it."""
    accept(context, "b", {"no": 10, "maybe": 19})
    approve(context, "maybe")
    for name, label in (("c.csv", "no"), ("d.csv", "maybe")):
        path = context.data_dir / name
        path.write_text(f"x,y\n1,{label}\n2,no\n")
        take = take_file(context, Taking(name, look(path)))
        assert asyncio.run(take) is Taken.ACCEPTED
        with context.shared.ledger.connect() as conn:
            assert len(due.pending(conn, "m", "manual")) == (label == "maybe")


def test_labels_that_are_held_keep_no_approved_class_from_its_cycle(tmp_path):
    """Feedback brings the last rows of the class, and in the same minute somebody says the opposite of known labels:
    these alone wait. A file of which all is held brings no rows."""
    ids = 'id_column = "id"\n[models.m.columns]\nid = "category"\nx = "number"\ny = "category"\n'
    labels = ["no", *["no", "yes"] * 50, *[""] * 25]
    wrong = [{"id": str(i), "y": "no" if labels[i] == "yes" else "yes"} for i in range(1, 41)]
    others = [{"id": str(i), "y": "maybe"} for i in range(101, 126)]
    with bare_model(tmp_path, BINARY + ids, analyst=AnalystHere) as context:

        async def take(name, text):
            path = context.data_dir / name
            path.write_text(text)
            feedback = {"at": path, "by_name": True} if name.endswith(".jsonl") else {}
            assert await take_file(context, Taking(name, look(path), **feedback)) is Taken.ACCEPTED
            with context.shared.ledger.connect() as conn:
                held = [row.path for row in files.listed(conn, "m", "held")]
                return held, len(due.pending(conn, "m", "manual"))

        async def story():
            await take("r.csv", "id,x,y\n" + "".join(f"{i},{i},{label}\n" for i, label in enumerate(labels)))
            learn_no_and_yes(context)
            await take("m.csv", "id,x,y\nm,1,maybe\n")
            approve(context, "maybe")
            held = await take("l.csv", "id,y\n" + "".join(f"{i},maybe\n" for i in range(1, 41)))
            return held, await take("s.jsonl", "\n".join(map(json.dumps, [*wrong, *others])))

        assert asyncio.run(story()) == ((["l.csv"], 0), (["l.csv", "s.jsonl-changes"], 1))


def test_what_nobody_waits_for_is_not_approved(context):
    """A class that no row has, or that is known, is refused by name."""
    with pytest.raises(Refused, match="no rows of a new class 'yes'"):
        approve(context, "yes")


def test_rows_that_leave_are_not_counted(context):
    """A held, forgotten or superseded file takes its labels along."""
    accept(context, "b", {"maybe": 7})
    with context.shared.ledger.begin() as conn:
        files.hold(conn, "m", "b", "odd")
        assert class_totals.class_rows(conn, "m") == {"no": 500, "yes": 400}
        files.release(conn, "m", "b")
        assert class_totals.class_rows(conn, "m")["maybe"] == 7
    accept(context, "b", {"no": 1})
    assert withheld(context) == []


def test_a_class_that_came_while_the_first_model_was_made_is_new(tmp_path):
    """What was there when its cycle opened is known, also where the version's window did not hold it."""
    with bare_model(tmp_path, analyst=AnalystHere) as context:
        accept(context, "a", {"no": 500, "yes": 400, "old": 30})
        accept(context, "b", {"no": 500, "later": 30})
        learn_no_and_yes(context)
        assert withheld(context) == ["later"]


def test_a_class_that_counted_stays_known(context):
    """Also where the window of the versions since did not hold it; another target begins anew."""
    accept(context, "b", {"maybe": 30})
    approve(context, "maybe")
    with context.shared.ledger.begin() as conn:
        learn_classes(conn, "m", context.settings, context.folders.version("v0001-aaaaaaaa"), 2)
        assert known_classes(conn, "m", context.settings, context.folders.versions).learned == {"no", "yes", "maybe"}
        assert class_totals.load(conn, "m", "other") == (None, frozenset())


def test_misspellings_do_not_make_the_two_classes_of_a_first_model(tmp_path):
    """The planner counts the classes that can be learned."""
    with bare_model(tmp_path, analyst=AnalystHere) as context:
        accept(context, "a", {"yes": 700, "Yes": 30, "no": 3})
        with context.shared.ledger.begin() as conn:
            none = withheld_classes(conn, "m", context.settings, context.folders.versions)
            seen = observe.observe(conn, "m", 0, PlannerState(), withheld=none)
    assert seen.class_rows == {"yes": 700, "no": 3}


def test_a_file_with_new_classes_is_warned_of_and_told(tmp_path, capsys):
    """In the log with the way out, in `files`, and in `status` with the one command that lets them in."""
    with bare_model(tmp_path, analyst=AnalystHere) as context:
        labels = ["no", "yes"] * 40 + ["maybe", "YES"]
        path = context.data_dir / "a.csv"
        path.write_text("x,y\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
        with capture_logs() as logs:
            assert asyncio.run(take_file(context, Taking("a.csv", look(path)))) is Taken.ACCEPTED
    capsys.readouterr()
    told = next(f"{one['reason']}; {one['way_out']}" for one in logs if one["event"] == "classes_withheld")
    assert "'YES' (1 row) differs from 'yes' only in case or blanks" in told and "--class maybe" in told
    conf = ["-c", str(tmp_path / "config.toml")]
    assert command_line([*conf, "files", "m"]) == 0
    assert "do not count: 1 of 'YES', 1 of 'maybe'" in capsys.readouterr().out
    assert command_line([*conf, "status"]) == 0
    assert "`driftd approve --model m --class maybe`" in capsys.readouterr().out
    assert command_line([*conf, "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["models"]["m"]["new_classes"]
    assert [(one["name"], one["rows"], one["meant"]) for one in found] == [("YES", 1, "yes"), ("maybe", 1, "")]


def test_rows_of_withheld_classes_are_no_labelled_rows(context):
    """Neither of all nor of the new ones: they teach nobody, and ask for no retraining."""
    accept(context, "b", {"no": 100, "odd": 300})
    with context.shared.ledger.connect() as conn:
        withheld = withheld_classes(conn, "m", context.settings, context.folders.versions)
        seen = observe.observe(conn, "m", 0, PlannerState(seen_seq=1), withheld=withheld)
    assert (seen.labelled_rows, seen.new_labelled_rows) == (1800 - 300, 900 - 300)
