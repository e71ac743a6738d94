"""Rich's console for text that others wrote: only rich itself moves the cursor and chooses colours."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment

from daemon.runtime.printable import printable


class SafeConsole(Console):
    """Escapes control characters in whatever is printed. It writes below the command line's own streams, which would
    escape its colours, too."""

    def __init__(self, stderr: bool = False, **settings: Any) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(file=getattr(stream, "raw", stream), **settings)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Called by rich for each part of what it prints."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
