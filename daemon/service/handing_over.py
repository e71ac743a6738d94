"""What this host acknowledged while it led, and did not take in before another one led, goes from its spools among its
uploads, for that one to take in. A segment that the ledger has, as after a kill between the commit and the removal, is
only removed: who stands by sees all that was committed under its own term."""

import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from daemon.config.paths import ModelPaths, StatePaths
from daemon.config.uploads import LOGGED, POSTED
from daemon.intake.events import REFUSED, ROWS, data_file_name
from daemon.intake.labels import segment_name
from daemon.ledger import Ledger, files, prediction_log
from daemon.runtime.spool import CLOSED, TAKING, finished_segments, taking_folders
from daemon.service.receiving import clear_received
from retrain import durable


class HandingOver:
    """Of these models, while another host leads; `look` is called in a thread, until `close`."""

    def __init__(self, paths: StatePaths, models: Iterable[str], ledger: Ledger) -> None:
        self._paths, self._models, self._ledger = paths, tuple(models), ledger
        self._turn, self._is_closed = threading.Lock(), False

    def look(self) -> None:
        """Hand over what waits; what servers have open waits for another look. SQLAlchemyError while the ledger cannot
        be asked, OSError where the disk does not let it."""
        with self._turn:
            if self._is_closed:
                return
            clear_received(self._paths)
            for model in self._models:
                self._look_at(model, self._paths.model(model))

    def close(self) -> None:
        """Returns once nothing is moved any more: this host may lead, and take in what is left."""
        with self._turn:
            self._is_closed = True

    def _look_at(self, model: str, folders: ModelPaths) -> None:
        apart = taking_folders(folders.spool)
        posted, logged = finished_segments(folders.spool), finished_segments(folders.log_spool)
        if not (apart or posted or logged):
            return
        with self._ledger.connect() as conn:
            taken = {path for path in posted if files.is_known(conn, model, segment_name(path))}
            states = {path: files.newest_state(conn, model, data_file_name(path)) for path in apart}
            names = prediction_log.recorded(conn, model, [path.name for path in logged])
        taken |= {path for path in logged if path.name in names}
        for path, state in states.items():
            posted = [*posted, *_undone(path, state)]
        self._move(posted, taken, folders.uploads(POSTED))
        self._move(logged, taken, folders.uploads(LOGGED))
        for path in apart:
            durable.remove(path, "hand_over.remove_folder")

    @staticmethod
    def _move(segments: Collection[Path], taken: Collection[Path], target: Path) -> None:
        if segments:
            durable.make_folder(target, "hand_over.folder")
        for path in segments:
            if path in taken:
                durable.remove(path, "hand_over.remove")
            else:
                durable.move(path, target / path.name, "hand_over")


def _undone(folder: Path, state: str | None) -> list[Path]:
    """The segments that were set apart for a file of events, if the ledger does not know it. The rows go first, which
    are those of all segments: a host that leads again makes them anew of the segments that are left."""
    if state == "refused":
        durable.rename(folder, folder.with_name(folder.name.replace(TAKING, REFUSED, 1)), "events.set_aside")
    if state is not None:
        return []
    durable.remove(folder / ROWS, "hand_over.remove_rows")
    return sorted(folder.glob(f"*{CLOSED}"))
