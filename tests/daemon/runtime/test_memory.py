"""Memory that is free within a process is used again, and goes back to the system."""

import gc
import io
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.runtime.memory import give_back, load_libraries
from daemon.runtime.worker import child

OF_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
ARENAS = """
import sys, threading
from pathlib import Path
from daemon.runtime.memory import one_arena
if sys.argv[1] == "one":
    one_arena()
ready, done, kept = threading.Barrier(9), threading.Event(), []
def work():
    kept.append(bytearray(10_000))
    ready.wait()
    done.wait()
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
arenas = 0
for line in Path("/proc/self/maps").read_text().splitlines():
    span, rights, *_, inode = line.split()[:5]
    start, end = (int(end, 16) for end in span.split("-"))
    arenas += rights == "---p" and inode == "0" and 2**25 < end - start <= 2**26
print(arenas)
done.set()
"""


def resident_bytes() -> int:
    """Of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@OF_GLIBC
@pytest.mark.parametrize(("how", "most"), [("one", 0), ("as it is", 8)])
def test_threads_share_one_arena(how: str, most: int) -> None:
    """Beside the heap there is no arena, where eight threads would have eight."""
    told = subprocess.run([sys.executable, "-c", ARENAS, how], capture_output=True, text=True, check=True).stdout
    assert int(told) == most


@OF_GLIBC
def test_what_is_free_between_used_pieces_is_given_back() -> None:
    """Nine of ten pieces of 100 kB are let go, and nine tenths of 100 MB leave the process."""
    pieces = [bytearray(100_000) for _ in range(1_000)]
    for position, piece in enumerate(pieces):
        piece[:] = b"x" * len(piece)
        if position % 10:
            pieces[position] = bytearray()
    del piece
    gc.collect()
    before = resident_bytes()
    give_back()
    assert before - resident_bytes() > 60_000_000
    assert len(pieces) == 1_000


def test_a_worker_gives_back_once_it_worked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the answer, which nobody waits for longer."""
    answers, written = io.StringIO(), list[str]()
    monkeypatch.setattr(child, "give_back", lambda: written.append(answers.getvalue()))
    request = json.dumps({"op": "warm", "args": {}, "beat": None}) + "\n"
    monkeypatch.setattr(child, "GIVE_BACK_S", 0.0)
    child.serve(io.StringIO(request), answers)
    assert len(written) == 1 and written[0].endswith("\n")
    monkeypatch.setattr(child, "GIVE_BACK_S", 1e9)
    child.serve(io.StringIO(request), answers)
    assert len(written) == 1


def test_the_collector_rests_while_libraries_are_loaded_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of them cannot be."""
    (tmp_path / "looks.py").write_text("import gc\nresting = not gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="there_is_none"):
        load_libraries(("looks", "there_is_none"))
    assert sys.modules.pop("looks").resting and gc.isenabled()
