"""How a story ended: its normal form, which no fault may change, and the promises that hold after any."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from daemon.reading.digest import file_digest
from faults.story import TRAFFIC, UNJUDGED, Story
from retrain.store.digest import version_digest

REPEATED = """
select 'two uses of a content: ' || sha256 from files where state in ('accepted', 'held') group by sha256 having count(*) > 1
union all select 'a path accepted twice: ' || path from files where state = 'accepted' group by path having count(*) > 1
union all select 'promoted twice: cycle ' || cycle_id from promotions where cycle_id is not null
    group by cycle_id having count(*) > 1
union all select 'lost: cycle ' || id || ' is promoted without a promotion' from cycles where state = 'promoted'
    and id not in (select cycle_id from promotions where cycle_id is not null)
union all select 'cycle ' || id || ' is ' || state || ': ' || reason from cycles where state in ('open', 'failed', 'on_trial')
"""


def normal_form(story: Story) -> dict[str, Any]:
    """What must be the same whatever happened: files by content, cycles by outcome, versions by digest, promotions in
    order; no ids, times or attempts. Files of labels over HTTP and of live traffic count by their rows."""
    own = "source = 'folder' and path not like 'labels/%'"
    versions = {row[0]: row[1] for row in story.query("select name, digest from versions")}
    return {
        "files": sorted(
            story.query(f"select path, state, kind, rows, sha256 from files where {own} and state != 'superseded'")
        ),
        "labels": sorted(_labels(story)),
        "traffic": sorted(_traffic(story)),
        "cycles": story.query("select json_extract(trigger, '$.kind'), state from cycles order by id"),
        "versions": sorted(versions.items()),
        "promotions": [
            (kind, sorted((m["version"], round(m["weight"], 6)) for m in json.loads(members)))
            for kind, members in story.query(
                "select p.kind, d.members from promotions p join deployments d on d.id = p.deployment_id order by p.id"
            )
        ],
        "drift": sorted(
            set(
                story.query(
                    "select f.path, c.drift from checks c join files f on f.id = c.file_id where f.source = 'folder' "
                    "and c.id in (select min(id) from checks group by file_id)"
                )
            )
        ),
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What the end differs in from that of the story without faults."""
    return [f"{key}: {found[key]} instead of {expected[key]}" for key in expected if found[key] != expected[key]]


def unchecked_told(expected: dict[str, Any], found: dict[str, Any], failed: int) -> dict[str, Any]:
    """The expected end without the checks that are missing, if a failure was told of each (`failed` in all)."""
    checked = {path for path, _ in found["drift"]}
    missing = [path for path, _ in expected["drift"] if path not in checked]
    if len(missing) > failed:
        return expected
    return expected | {"drift": [one for one in expected["drift"] if one[0] in checked]}


def violations(story: Story) -> list[str]:
    """The promises that do not hold."""
    found = [row[0] for sql in (REPEATED, UNJUDGED) for row in story.query(sql)]
    failed = {status for what, status in story.statuses if what == "predict" and status != 200}
    if failed:
        found.append(f"predictions that a living server refused: {sorted(failed)}")
    if story.query("pragma integrity_check") != [("ok",)]:
        found.append("the ledger is damaged")
    return found + _acknowledged(story) + _leftovers(story) + _changed(story) + _link(story)


def _acknowledged(story: Story) -> list[str]:
    kept = _labels(story)
    lost = [key for key, label in story.acknowledged.items() if (key, label) not in kept]
    found = [f"acknowledged labels lost: {lost[:5]} of {len(lost)}"] if lost else []
    counted = Counter(_traffic(story))
    doubled = [key for key, times in counted.items() if times > 1]
    missing = [f"t{i}" for i in range(TRAFFIC) if f"t{i}" not in counted]
    found += [f"answered rows taken twice: {doubled[:5]}"] if doubled else []
    return found + ([f"durable answers lost: {missing[:5]} of {len(missing)}"] if missing else [])


def _labels(story: Story) -> set[tuple[str, str]]:
    """What came over HTTP."""
    found: set[tuple[str, str]] = set()
    for (snapshot,) in story.query("select snapshot from files where path like 'labels/%' and state = 'accepted'"):
        table = pq.read_table(story.daemon.folder / "state" / snapshot, columns=["id", "label"])
        found |= {(row["id"], row["label"]) for row in table.to_pylist()}
    return found


def _traffic(story: Story) -> list[str]:
    """Ids of the data files of live traffic, each as often as it is there."""
    found: list[str] = []
    for (snapshot,) in story.query("select snapshot from files where source = 'traffic' and state = 'accepted'"):
        found += pq.read_table(story.daemon.folder / "state" / snapshot, columns=["id"]).column("id").to_pylist()
    return found


def _leftovers(story: Story) -> list[str]:
    """Files of the state folder that nothing knows of."""
    state = story.daemon.folder / "state"
    found = [f"left over: {path.relative_to(state)}" for path in sorted(state.rglob(".*")) if path.name != ".gitignore"]
    for folder, sql in (
        ("snapshots/m", "select snapshot from files where snapshot is not null"),
        ("quarantine/m", "select quarantine from files where quarantine is not null"),
        ("predictions/m", "select predictions from checks where predictions is not null"),
        ("prediction_log/m", "select path from prediction_log"),
    ):
        known = {Path(row[0]).name for row in story.query(sql)}
        there = {path.name for path in (state / folder).iterdir() if path.is_file()}
        if folder.startswith("quarantine"):
            known = there  # named by the file's content, not by the row
        found += [f"{folder}: {name} is unknown" for name in sorted(there - known)]
        found += [f"{folder}: {name} is gone" for name in sorted(known - there)]
    stored = {row[0] for row in story.query("select name from versions where state = 'stored'")}
    there = {path.name for path in (state / "versions/m").iterdir() if not path.is_symlink()}
    found += [f"versions: {name}" for name in sorted(stored ^ there)]
    work = [path for path in (state / "work").rglob("*") if path.is_file()]
    return found + [f"work: {path.relative_to(state)}" for path in work]


def _changed(story: Story) -> list[str]:
    """Snapshots and versions whose content is not that of their name."""
    state = story.daemon.folder / "state"
    snapshots = [
        path for path in (state / "snapshots/m").glob("*.parquet") if not file_digest(path).startswith(path.stem)
    ]
    versions = [path for path in (state / "versions/m").iterdir() if not path.is_symlink() and _is_changed(path)]
    return [f"changed after it was published: {path.relative_to(state)}" for path in (*snapshots, *versions)]


def _is_changed(version: Path) -> bool:
    files = json.loads((version / "manifest.json").read_bytes())["files"]
    same = all(file_digest(version / name) == digest for name, digest in files.items())
    return not same or not version_digest(version).startswith(version.name.partition("-")[2])


def _link(story: Story) -> list[str]:
    newest = story.query("select newest from promotions order by id desc limit 1")[0][0]
    current = (story.daemon.folder / "state/versions/m/current").readlink().name
    return [] if current == newest else [f"current is {current}; promoted is {newest}"]
