"""A small disk (tmpfs) that can be filled to the last byte. Needs root."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Disk:
    folder: Path
    megabytes: int

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=0755", "tmpfs", str(self.folder)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Until nothing fits any more."""
        with self._ballast.open("ab") as file:
            try:
                while True:
                    os.write(file.fileno(), bytes(1 << 16))
            except OSError:
                pass

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)
