"""What the faults ask of running actors: a small JSON file that every actor reads again when it changes."""

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Wishes:
    """`poison`: households whose events make beta's handler raise. `slow`: seconds a handler sleeps in the database now and then.
    `linger`: this unit's handlers wait inside their transaction and say so. `quiet`: writers pause."""

    poison: tuple[str, ...] = ()
    slow: float = 0.0
    linger: str = ""
    glitch: float = 0.0
    quiet: bool = False
    future: bool = False


@dataclass
class Controls:
    home: Path
    _wishes: Wishes = field(default_factory=Wishes)
    _looked: float = 0.0
    _stamp: int = 0

    @property
    def path(self) -> Path:
        return self.home / "controls.json"

    @property
    def wishes(self) -> Wishes:
        """Looked up at most ten times a second."""
        if time.monotonic() - self._looked > 0.1:
            self._looked = time.monotonic()
            self._look()
        return self._wishes

    def _look(self) -> None:
        try:
            stamp = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp != self._stamp:
            self._stamp = stamp
            given = json.loads(self.path.read_text())
            self._wishes = Wishes(**{**given, "poison": tuple(given["poison"])})

    def wish(self, **changes: Any) -> None:
        """Used by the world. Written whole and renamed: an actor never reads half of it."""
        self._look()
        self._wishes = replace(self._wishes, **changes)
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self._wishes)))
        unfinished.rename(self.path)

    def lingering(self) -> Path:
        """This process's mark while it stands inside a transaction on purpose."""
        return self.home / "lingering" / str(os.getpid())
