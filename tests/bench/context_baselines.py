"""What context could be without a language server: files nearby, and BM25 over the repository.

Both give excerpts of `CHUNK_ROWS` rows, ranked; the budget is somebody else's matter.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from zeta_context.prompt.input import RelatedExcerpt, RelatedFile

CHUNK_ROWS = 20
MAX_EXCERPTS = 200
_WORD = re.compile(r"[A-Za-z_]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_K1, _B = 1.5, 0.75


def split_words(text: str) -> list[str]:
    """Identifiers in lower case, whole and by their parts."""
    words: list[str] = []
    for match in _WORD.finditer(text):
        whole = match[0].lower()
        parts = [part.lower() for part in _PART.findall(match[0])]
        words.append(whole)
        if len(parts) > 1:
            words += parts
    return words


class Repository:
    """The source files of a tree; the file under the cursor is given anew for every question."""

    def __init__(self, root: Path, suffix: str) -> None:
        self._texts: dict[str, str] = {}
        for path in sorted(root.rglob(f"*{suffix}")):
            if path.is_file() and not path.is_symlink():
                text = path.read_text("utf-8", "replace")
                self._texts[path.relative_to(root).as_posix()] = text
        self._words: dict[tuple[str, int], Counter[str]] = {}
        self._counted: dict[str, str] = {}

    def same_directory(self, project: str, current: str) -> tuple[RelatedFile, ...]:
        """The other files of the directory, by name, from their first row on."""
        parent = PurePosixPath(current).parent
        paths = [
            path for path in self._texts if PurePosixPath(path).parent == parent and path != current
        ]
        places = [
            (path, start) for path in paths for start in range(0, len(self._rows(path)), CHUNK_ROWS)
        ]
        return self._as_files(project, places)

    def bm25(self, project: str, current: str, text: str, query: str) -> tuple[RelatedFile, ...]:
        """The chunks of all files, the current one included, by BM25 against `query`."""
        self._texts[current] = text
        self._count_words()
        sizes = {place: sum(words.values()) for place, words in self._words.items()}
        mean = sum(sizes.values()) / max(1, len(sizes))
        wanted = set(split_words(query))
        documents = Counter(
            word for words in self._words.values() for word in wanted if word in words
        )
        total = len(self._words)
        scores: list[tuple[float, tuple[str, int]]] = []
        for place, words in self._words.items():
            score = 0.0
            for word in wanted & words.keys():
                idf = math.log(1 + (total - documents[word] + 0.5) / (documents[word] + 0.5))
                often = words[word]
                norm = _K1 * (1 - _B + _B * sizes[place] / mean)
                score += idf * often * (_K1 + 1) / (often + norm)
            if score > 0:
                scores.append((-score, place))
        return self._as_files(project, [place for _, place in sorted(scores)])

    def _count_words(self) -> None:
        for path, text in self._texts.items():
            if self._counted.get(path) == text:
                continue
            self._counted[path] = text
            for place in [place for place in self._words if place[0] == path]:
                del self._words[place]
            rows = self._rows(path)
            for start in range(0, len(rows), CHUNK_ROWS):
                words = Counter(split_words("".join(rows[start : start + CHUNK_ROWS])))
                self._words[path, start] = words

    def _rows(self, path: str) -> list[str]:
        return self._texts[path].splitlines(keepends=True)

    def _as_files(self, project: str, places: list[tuple[str, int]]) -> tuple[RelatedFile, ...]:
        chosen: dict[str, list[RelatedExcerpt]] = {}
        for order, (path, start) in enumerate(places[:MAX_EXCERPTS]):
            rows = self._rows(path)
            end = min(start + CHUNK_ROWS, len(rows))
            excerpt = RelatedExcerpt(
                start_row=start,
                end_row=end,
                text="".join(rows[start:end]),
                order=order,
                source="bm25",
            )
            chosen.setdefault(path, []).append(excerpt)
        return tuple(
            RelatedFile(
                project=project,
                path=path,
                last_row=max(0, len(self._rows(path)) - 1),
                excerpts=tuple(sorted(excerpts, key=lambda one: one.start_row)),
            )
            for path, excerpts in chosen.items()
        )
