"""What the processes that an editor started tell of themselves, as `zeta-context doctor` asks."""

import tempfile
from collections import Counter
from pathlib import Path

from zeta_context.status import read_statuses


class Told:
    """Asks the processes whose runtime folder is `folder`, which is to be given to the editor."""

    def __init__(self) -> None:
        # The path of a Unix socket must be short.
        self._scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self._scratch.name)

    def counts(self) -> Counter[str]:
        """Their counted reasons, summed up; empty while none runs."""
        found = Counter[str]()
        for status in read_statuses(folder=self.folder / "zeta-context"):
            found.update(status.fields.get("totals", {}))
        return found

    def is_there(self) -> bool:
        """Whether a process that predicts is there."""
        return bool(read_statuses(folder=self.folder / "zeta-context"))

    def close(self) -> None:
        self._scratch.cleanup()
