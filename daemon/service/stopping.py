"""How a service is asked to end: by SIGTERM, after which its servers drain, or by Ctrl-C, at once; a second signal
hurries it."""

import asyncio
import signal
from dataclasses import dataclass, field


@dataclass
class Stopping:
    """`drain_s` is for how long the servers drain once `asked` is set, unless it is `hurried`."""

    drain_s: float = 0.0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self, drain_s: float) -> None:
        """Have the signals ask; SIGTERM for so long a drain."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.ask, 0.0)
        loop.add_signal_handler(signal.SIGTERM, self.ask, drain_s)

    def ask(self, drain_s: float) -> None:
        """Once, or to hurry."""
        if self.asked.is_set():
            self.hurried.set()
        else:
            self.drain_s = drain_s
            self.asked.set()
