"""The prepare stage of a window that is larger than memory: the files are read twice, piece by piece. The first time
every row is checked, joined with its label and indexed; then it is known which rows are duplicates, which are held out
and which train; the second time all that train go to one file, and a stratified sample of them, as much as a training
may hold, to another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import asdict

from retrain import durable
from retrain.operations import AcceptedFile, PrepareRequest, PrepareResult
from retrain.records.errors import Retry
from retrain.rows.budget import row_bytes, rows_within
from retrain.rows.collect import Collector, no_labels, pieces
from retrain.rows.large_duplicates import LargeDuplicates
from retrain.rows.pools import newest_of_each, pools_of
from retrain.rows.row_index import Mask, Piece, RowIndex, Rows
from retrain.rows.sampling import (
    TIME_GROUPS,
    Sampler,
    drawn_of,
    in_words,
    quantile_edges,
    quotas,
    seed_of,
    with_rare,
)
from retrain.rows.seen import packed
from retrain.rows.settled import Settling
from retrain.rows.split_pieces import PieceSplit
from retrain.rows.window import ages
from retrain.rows.window_reach import chosen_window
from retrain.stages.training_rows import (
    in_batches,
    known_to_champion,
    learnable_classes,
    note_new_classes,
    of_before,
    result_rows,
    write_rows,
)

PIECE_BYTES, MOST_PIECE_ROWS = 32_000_000, 250_000
GROUP_ROWS = 65_536
"""Rows of a group of the file with all rows, which an estimator that learns in parts reads at once."""
PROBE = 100_000
HELD_OUT_PART = 4
"""Held-out rows are answered by several models at once: so large a part of what may be held of training rows."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Of the rows of one part (those that train or are held out), the stratum of each label in each group of files, and
    how it is drawn; `record` is what was drawn."""

    labels: int
    sampler: Sampler
    record: dict[str, Any]


class LargeWindow:
    """A request that is prepared in pieces; `champion` is the training.json of the newest version."""

    def __init__(self, request: PrepareRequest, champion: Mapping[str, Any] | None) -> None:
        self._request, self._champion = request, champion
        self._schema, self._settings = request.schema, request.settings
        self._notes: list[str] = []
        files, alone = request.files, champion is None
        settling = Settling(files, self._schema, self._settings.labels, request.now, alone)
        self._collector = Collector(files, self._schema, settling, self._notes)
        self._files = self._collector.of_rows
        bytes_a_row = row_bytes(files)
        self._piece_rows = int(np.clip(PIECE_BYTES / max(bytes_a_row, 1.0), GROUP_ROWS // 8, MOST_PIECE_ROWS))
        most = self._settings.limits.train_bytes
        self._most = rows_within(most, bytes_a_row), rows_within(most // HELD_OUT_PART, bytes_a_row)
        self._index = RowIndex(self._schema.task == "classification")
        self._table_schema: pa.Schema | None = None

    def prepare(self) -> PrepareResult:
        """Write `work`/whole.parquet, train.parquet and holdout.parquet. Refused as the stage is."""
        work = self._request.work
        folder = work / "pieces"
        durable.remove(folder, "prepare.clear_pieces")
        durable.make_folder(folder, "prepare.pieces")
        self._read(folder)
        split = self._split()
        learned = self._learned(split)
        groups = self._groups(split)
        drawings = (self._drawing(split, groups, learned, 0), self._drawing(split, groups, learned, 1))
        whole, train, holdout = (work / f"{name}.parquet" for name in ("whole", "train", "holdout"))
        drawn = self._write(split, groups, learned, drawings, whole)
        durable.remove(folder, "prepare.remove_pieces")
        write_rows(_sorted(drawn[0]), train, "prepare.train")
        write_rows(_sorted(drawn[1]), holdout, "prepare.holdout")
        return self._result(split, learned, drawings, (train, holdout, whole))

    # --- the first reading ---------------------------------------------------------------------------------------

    def _labelled(self) -> Iterator[tuple[AcceptedFile, pa.Table]]:
        """The labelled rows of each piece of each file."""
        for file in self._files:
            for table, span in pieces(file, self._schema, self._piece_rows):
                kept = self._collector.labelled(table, file, span)
                if kept.num_rows:
                    yield file, kept

    def _read(self, folder: Path) -> None:
        """Index every labelled row, and find the duplicates."""
        schemas: list[pa.Schema] = []
        expected = sum(file.rows for file in self._files)
        duplicates = LargeDuplicates(self._schema, self._settings.window.deduplicate, folder, expected)
        for file, table in self._labelled():
            if table.schema not in schemas:
                schemas.append(table.schema)
            numbers, times = table.column("__row").to_numpy(), table.column("__time").to_numpy()
            reserved = np.asarray(table.column("__reserved").to_numpy())
            sequence = np.full(len(numbers), file.seq, dtype=np.int64)
            seen = known_to_champion(self._champion, self._files, times, sequence, numbers, reserved)
            duplicates.add(table, self._index.rows)
            self._index.add(
                file.seq, max(1, file.rows), numbers, times, table.column(self._schema.target), reserved, seen
            )
        self._collector.tell()
        if not schemas:
            raise no_labels()
        empty = [pa.Table.from_batches([], schema=one) for one in schemas]
        self._table_schema = pa.concat_tables(empty, promote_options="permissive").schema
        self._index.drop(duplicates.dropped(self._index.rows, self._labelled, self._notes))

    def _split(self) -> PieceSplit:
        """Which rows train and which are held out, by rules for whole files."""
        kept, lengths = self._index.kept(), {file.seq: file.rows for file in self._files}
        ordered = sorted(kept)
        seqs = np.array(ordered, dtype=np.int64)
        pools = newest_of_each(seqs, pools_of((seq, kept[seq], lengths[seq]) for seq in ordered))
        steps = newest_of_each(seqs, pools_of((seq, lengths[seq], lengths[seq]) for seq in ordered))
        chosen, age = chosen_window(self._settings.window, self._request.window), ages(steps)
        if self._settings.window.kind == "auto":
            chosen, age = in_batches(chosen, pools, steps, seqs, lengths)
        before = of_before(self._champion, self._files, seqs)
        return PieceSplit(
            self._index.pieces, dict(zip(ordered, pools.tolist(), strict=True)),
            dict(zip(ordered, age.tolist(), strict=True)), chosen_window(chosen, None), self._champion is None,
            None if before is None else set(seqs[before].tolist()),
        )  # fmt: skip

    # --- what is drawn -------------------------------------------------------------------------------------------

    def _learned(self, split: PieceSplit) -> Mask:
        """Which labels (by code) are learned: of numbers all; of classes those with enough rows."""
        if not self._index.is_classes:
            return np.ones(1, dtype=bool)
        names, counts = list(self._index.codes), np.zeros((2, len(self._index.codes)), dtype=np.int64)
        for piece in self._index.pieces:
            for part, mask in enumerate(split.of(piece)):
                counts[part] += np.bincount(piece.label[mask], minlength=len(names))
        rows = [{name: int(n) for name, n in zip(names, part.tolist(), strict=True) if n} for part in counts]
        learned = learnable_classes(rows[0], self._notes)
        note_new_classes(learned, set(rows[1]), self._champion, self._notes)
        return np.array([name in learned for name in names], dtype=bool)

    def _groups(self, split: PieceSplit) -> dict[int, int]:
        """The group of each file (by seq): consecutive ones, so that the sample has its share of every time."""
        pools = split.pools
        place = {pool: at for at, pool in enumerate(sorted(set(pools.values())))}
        most = min(TIME_GROUPS, len(place))
        return {seq: place[pool] * most // len(place) for seq, pool in pools.items()}

    def _part(self, split: PieceSplit, piece: Piece, learned: Mask, part: int) -> Mask:
        """The rows of a piece that train (part 0) or are held out (1)."""
        mask = split.of(piece)[part]
        return mask & learned[piece.label] if self._index.is_classes and not part else mask

    def _stratum(self, piece: Piece, mask: Mask, groups: Mapping[int, int], labels: int) -> Rows:
        label = piece.label[mask]
        label = label.astype(np.int64) if self._index.is_classes else np.searchsorted(self._edges, label)
        return np.asarray(groups.get(piece.seq, 0) * labels + label, dtype=np.int64)

    def _drawing(self, split: PieceSplit, groups: dict[int, int], learned: Mask, part: int) -> Drawing:
        if not self._index.is_classes and not part:
            step = max(1, self._index.rows // PROBE)
            self._edges = quantile_edges(np.concatenate([piece.label[::step] for piece in self._index.pieces]))
        labels = len(self._index.codes) if self._index.is_classes else len(self._edges) + 1
        strata = np.zeros(labels * TIME_GROUPS, dtype=np.int64)
        for piece in self._index.pieces:
            mask = self._part(split, piece, learned, part)
            strata += np.bincount(self._stratum(piece, mask, groups, labels), minlength=len(strata))
        of_label = np.arange(len(strata)) % labels
        wanted = with_rare(quotas(strata, self._most[part]), strata, of_label)
        seed = seed_of([file.digest for file in self._request.files], self._settings.estimator.seed)
        names = list(self._index.codes) if self._index.is_classes else [f"quantile {at + 1}" for at in range(labels)]
        by = "class" if self._index.is_classes else "quantile of the target"
        record = drawn_of(strata, wanted, of_label, names, by, seed)
        return Drawing(labels, Sampler(strata, wanted, seed + part), record)

    # --- the second reading --------------------------------------------------------------------------------------

    def _write(
        self,
        split: PieceSplit,
        groups: dict[int, int],
        learned: Mask,
        drawings: tuple[Drawing, Drawing],
        whole: Path,
    ) -> tuple[list[pa.Table], list[pa.Table]]:
        """Write all rows that train; the rows that were drawn."""
        assert self._table_schema is not None
        place = self._table_schema.get_field_index("__reserved")
        empty = pa.Table.from_batches([], schema=self._table_schema.remove(place)).append_column(
            "__weight", pa.array([], pa.float64())
        )
        drawn: tuple[list[pa.Table], list[pa.Table]] = ([empty], [empty])
        temporary = whole.with_name(f".{whole.name}.tmp")
        durable.crash_point("prepare.whole.before_write")
        with pq.ParquetWriter(temporary, _plain(empty.schema), compression="lz4") as writer:
            for piece, labelled in self._again():
                weight = pa.array(np.full(len(piece), self._weight(split, piece)))
                table = labelled.drop_columns(["__reserved"]).append_column("__weight", weight)
                for part in (0, 1):
                    mask = self._part(split, piece, learned, part)
                    chosen, drawing = np.flatnonzero(mask), drawings[part]
                    rows = drawing.sampler.draw(self._stratum(piece, mask, groups, drawing.labels))
                    if rows.any():
                        drawn[part].append(table.take(pa.array(chosen[rows])))
                    if not part and len(chosen):
                        rows_of_all = _like(table.take(pa.array(chosen)), writer.schema)
                        writer.write_table(rows_of_all, row_group_size=GROUP_ROWS)
        durable.publish_file(temporary, whole, "prepare.whole")
        return drawn

    def _again(self) -> Iterator[tuple[Piece, pa.Table]]:
        """The pieces that are indexed with their rows, read anew; Retry where a file is another one now."""
        known = iter(self._index.pieces)
        for file, table in self._labelled():
            piece = next(known, None)
            if piece is None or piece.seq != file.seq or len(piece) != table.num_rows:
                raise Retry(f"{file.snapshot} changed while it was prepared")
            yield piece, table

    def _weight(self, split: PieceSplit, piece: Piece) -> float:
        return split.weight(piece) if piece.seq in split.pools else 0.0

    # --- what is told --------------------------------------------------------------------------------------------

    def _result(
        self, split: PieceSplit, learned: Mask, drawings: tuple[Drawing, Drawing], paths: tuple[Path, Path, Path]
    ) -> PrepareResult:
        used, held, numbers = set[int](), set[int](), dict[int, list[Rows]]()
        for piece in self._index.pieces:
            used |= {piece.seq} if self._part(split, piece, learned, 0).any() else set()
            held |= {piece.seq} if split.of(piece)[1].any() else set()
        kept, lengths = self._index.kept(), {file.seq: file.rows for file in self._files}
        partly = {seq for seq in used if kept[seq] < lengths[seq]}
        for piece in self._index.pieces:
            if piece.seq in partly:
                numbers.setdefault(piece.seq, []).append(piece.numbers[~piece.dropped])
        digests = {file.seq: file.digest for file in self._files}
        seen = {digests[seq]: packed(np.concatenate(parts)) for seq, parts in sorted(numbers.items())}
        train, holdout = (drawing.record for drawing in drawings)
        large: dict[str, Any] = {"how": self._settings.window.large, "train": train, "holdout": holdout}
        large["words"] = in_words(large)
        reserved = held | {seq for seq, pool in split.pools.items() if pool in split.newest}
        rows = result_rows(
            self._files, self._schema, used, held, reserved, seen, split, sum(kept.values()), self._notes
        )
        told = asdict(rows) | {
            "train_rows": train["rows"], "holdout_rows": holdout["rows"], "large": large,
            "known_rows": rows.known_rows + self._request.rows_before, "notes": [*self._notes, large["words"]],
        }  # fmt: skip
        return PrepareResult(train=paths[0], holdout=paths[1], whole=paths[2], **told)


def _sorted(tables: list[pa.Table]) -> pa.Table:
    """Oldest first."""
    table = pa.concat_tables(tables, promote_options="permissive")
    keys = [table.column(name).to_numpy() for name in ("__row", "__seq", "__time")]
    return table.take(pa.array(np.lexsort(keys)))


def _plain(schema: pa.Schema) -> pa.Schema:
    """Texts as such: each piece has a dictionary of its own."""
    fields = (field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in schema)
    return pa.schema([field.remove_metadata() for field in fields])


def _like(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """With these columns, missing where it has none."""
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
