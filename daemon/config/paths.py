"""Where everything lies below the state folder: no other module spells these names. Pure; makes and reads nothing."""

from dataclasses import dataclass
from pathlib import Path

from daemon.config.uploads import UPLOADS

LEDGER = "ledger.sqlite"
FORGET_KEY = "forget.key"
LOCK = "driftd.lock"
RESTORING = "restore-unfinished"
"""There while a restore moves files: the folder holds parts of two states."""
STAGED = ".restoring"
ASIDE = "before-restore-"
"""How the folders begin into which restores moved what was there before."""
SNAPSHOTS, VERSIONS, QUARANTINE, SPOOL, LOG = "snapshots", "versions", "quarantine", "spool", "prediction_log"
PULLED = "pulled"
ADOPTED = "adopted"
PREDICTIONS = "predictions"
KEPT_FOLDERS = SNAPSHOTS, VERSIONS, QUARANTINE, PREDICTIONS, LOG, PULLED, ADOPTED
"""Folders with a folder for each model, whose files the ledger names: these and the forget key are what an object store
keeps. The spools are none of them, which are taken in within seconds."""
SEGMENTS = (
    *(f"{folder}/*.{kind}" for folder in (f"{SPOOL}/*", f"{LOG}/*/{SPOOL}") for kind in ("jsonl", "open")),
    f"{SPOOL}/*/*-*/*.jsonl",
)
"""Globs of all segments that servers append to, below the state folder, those too that were set apart in folders."""
ROWS, SEEN = "rows.parquet", "seen"
"""Of what was pulled of a database: the rows, and the digests by which they are known again."""
ABOUT = "about.json"
"""What is known of a pipeline that is to be adopted."""
NAMED_CHARS = 32
"""So many characters of a digest name a file."""


@dataclass(frozen=True)
class ModelPaths:
    """Where the files of one model lie."""

    state: Path
    model: str

    @property
    def snapshots(self) -> Path:
        """Immutable Parquet of accepted files."""
        return self.state / SNAPSHOTS / self.model

    def snapshot(self, digest: str) -> Path:
        """The snapshot of that content."""
        return self.snapshots / f"{digest[:NAMED_CHARS]}.parquet"

    @property
    def quarantine(self) -> Path:
        """Rejected rows, one file per data file."""
        return self.state / QUARANTINE / self.model

    def rejects(self, sha256: str) -> Path:
        """The rejected rows of a data file."""
        return self.quarantine / f"{sha256[:NAMED_CHARS]}.jsonl"

    @property
    def predictions(self) -> Path:
        """What the champion predicted for the rows of a file, before they taught anyone."""
        return self.state / PREDICTIONS / self.model

    @property
    def versions(self) -> Path:
        """The versions, each a folder."""
        return self.state / VERSIONS / self.model

    def version(self, name: str) -> Path:
        """The folder of a version."""
        return self.versions / name

    @property
    def current(self) -> Path:
        """The link to the champion's newest version, for readers outside."""
        return self.versions / "current"

    @property
    def spool(self) -> Path:
        """Segments of labels that came through the server."""
        return self.state / SPOOL / self.model

    @property
    def logged(self) -> Path:
        """The prediction log: Parquet of answered rows."""
        return self.state / LOG / self.model

    @property
    def log_spool(self) -> Path:
        """Segments of answered rows that came through the server."""
        return self.logged / SPOOL

    def uploads(self, kind: str) -> Path:
        """Segments of a host without control, until they are in the store."""
        return StatePaths(self.state).uploads / kind / self.model

    def adopted(self, folder: str) -> Path:
        """A pipeline that is to be adopted, with what is known of it."""
        return self.adoptions / folder

    @property
    def adoptions(self) -> Path:
        """What is to be adopted: a folder for each pipeline."""
        return self.state / ADOPTED / self.model

    @property
    def pulled(self) -> Path:
        """What was pulled of a database: a folder for each time."""
        return self.state / PULLED / self.model

    @property
    def pulling(self) -> Path:
        """What is being pulled."""
        return self.state / "work" / "pulls" / self.model

    @property
    def fetched(self) -> Path:
        """Objects of the prefix that the data are in, while they are taken in."""
        return self.state / "work" / "fetched" / self.model

    @property
    def intake(self) -> Path:
        """Unfinished snapshots."""
        return StatePaths(self.state).intake / self.model

    def cycle(self, cycle_id: int) -> Path:
        """Unfinished work of a cycle."""
        return StatePaths(self.state).cycles / str(cycle_id)

    @property
    def lasting(self) -> tuple[Path, ...]:
        """The folders that a model has from its first day."""
        kept = (self.snapshots, self.quarantine, self.predictions, self.versions)
        return (*kept, self.spool, self.log_spool, self.intake)


@dataclass(frozen=True)
class StatePaths:
    """Where the files of a service lie; `state` is its state folder, or a copy of one."""

    state: Path

    @property
    def ledger(self) -> Path:
        """The database."""
        return self.state / LEDGER

    @property
    def moved_ledger(self) -> Path:
        """The file of a ledger that was moved into a database."""
        return self.state / f"{LEDGER}.moved"

    @property
    def forget_key(self) -> Path:
        """By which people who are forgotten are known again."""
        return self.state / FORGET_KEY

    @property
    def lock(self) -> Path:
        """Held by the service while it runs."""
        return self.state / LOCK

    @property
    def restoring(self) -> Path:
        """The mark of a restore under way."""
        return self.state / RESTORING

    @property
    def snapshots(self) -> Path:
        """All models' snapshots."""
        return self.state / SNAPSHOTS

    @property
    def versions(self) -> Path:
        """All models' versions."""
        return self.state / VERSIONS

    @property
    def intake(self) -> Path:
        """All models' unfinished snapshots."""
        return self.state / "work" / "intake"

    @property
    def cycles(self) -> Path:
        """Unfinished work of all cycles."""
        return self.state / "work" / "cycles"

    @property
    def exchange(self) -> Path:
        """What workers of a cluster made, until it is where it belongs."""
        return self.state / "work" / "exchange"

    def promoted(self, model: str) -> Path:
        """What is to be served of a model, as a file beside the ledger."""
        return self.state / "promoted" / f"{model}.json"

    def on_trial(self, model: str) -> Path:
        """The challenger of a model that is on trial, as a file beside the ledger."""
        return self.state / "promoted" / "trials" / f"{model}.json"

    def counted(self, model: str) -> Path:
        """Of which files a recommender's counters are made, as a file beside the ledger."""
        return self.state / "promoted" / "counted" / f"{model}.json"

    @property
    def uploads(self) -> Path:
        """What a host without control uploads."""
        return self.state / UPLOADS

    @property
    def numbered(self) -> Path:
        """The last number that this host gave to what it uploads."""
        return self.uploads / "last-number"

    @property
    def host(self) -> Path:
        """What tells this host's uploads from those of others."""
        return self.state / "host"

    @property
    def serving(self) -> Path:
        """What the servers said that they serve, and what the analyst works on."""
        return self.state / "serving.json"

    @property
    def numbers(self) -> Path:
        """What control read of the ledger for Prometheus; its time is when control looked last."""
        return self.state / "numbers.jsonl"

    @property
    def commands(self) -> Path:
        """Commands that were given while the ledger was locked."""
        return self.state / "commands"

    @property
    def copied(self) -> Path:
        """Of which object store and which term of the ledger the folder is a whole copy."""
        return self.state / "copied.json"

    @property
    def shard(self) -> Path:
        """Of which shard the folder is, where it is of one."""
        return self.state / "shard"

    @property
    def described(self) -> Path:
        """There once what is promoted was described: before that servers have nothing to say."""
        return self.state / "followed"

    @property
    def fetching(self) -> Path:
        """How far a fetch from the object store is, while there is one that takes long."""
        return self.state / "fetching.json"

    @property
    def uploading(self) -> Path:
        """Held by the process that uploads what this host's servers wrote down."""
        return self.uploads / ".lock"

    @property
    def followers(self) -> Path:
        """What hosts without control said last of themselves."""
        return self.state / "followers.json"

    @property
    def backups(self) -> Path:
        """Which backups were made last."""
        return self.state / "backups.json"

    @property
    def held(self) -> Path:
        """Second names of segments, one folder for each backup that is being made."""
        return self.state / "work" / "backup"

    def model(self, name: str) -> ModelPaths:
        """Where the files of a model lie."""
        return ModelPaths(self.state, name)
