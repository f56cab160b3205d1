"""A small project in which a rename has begun: what an editor's test opens, edits and expects."""

from pathlib import Path

HELPERS = "def log(text: str) -> str:\n    return text\n"
MAIN = (
    "import logging\n\nfrom helpers import log\n\nlogger = logging.getLogger()\n"
    "étoile: int = 'no int'\n\n\ndef run(data: dict[str, str]) -> None:\n"
    + "".join(f"    logger.warn('𝒳 {n}', extra=data)\n    run_{n}(log('é'))\n" for n in range(6))
)
FAULTY_ROW = 5
FIRST_ROW = 9
NEXT_ROW = 13


def write_project(root: Path) -> Path:
    """Write its two files into a new folder; the folder without links in its path."""
    root.mkdir()
    (root / "helpers.py").write_text(HELPERS)
    (root / "main.py").write_text(MAIN)
    return root.resolve()
