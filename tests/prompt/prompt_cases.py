"""Prompt inputs that the tests of all formats share."""

from dataclasses import replace

from hypothesis import strategies as st

from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.grammars import language_of
from zeta_context.context.syntax import parse
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


def change(path: str, diff: str, **fields: object) -> Event:
    values: dict[str, object] = {"project": "", "old_span": Span(0, 1), "new_span": Span(0, 1)}
    return Event(path=path, diff=diff, **(values | fields))  # type: ignore[arg-type]


def input_at(marked: str, *, path: str = "test.rs", project: str = "") -> PromptInput:
    """The prompt input of a file given with `|` at the cursor."""
    cursor = marked.index("|")
    text = marked.replace("|", "", 1)
    excerpt = gather_excerpt(TextSnapshot(text), cursor, parse("", text, path=path))
    return PromptInput(
        project=project,
        path=path,
        cursor_excerpt=excerpt.text,
        cursor_offset=excerpt.cursor_offset,
        excerpt_start_row=excerpt.start_row,
        syntax_spans=excerpt.syntax_spans,
        language=language_of(path),
    )


def plain_input(text: str, cursor: int) -> PromptInput:
    """The prompt input of a whole file with nothing around it."""
    return PromptInput(
        project="p", path="a.txt", cursor_excerpt=text, cursor_offset=cursor, excerpt_start_row=0
    )


PYTHON = """import math

from shapes.base import Shape


class Circle(Shape):
    \"\"\"A circle around the origin.\"\"\"

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        return math.pi * self.r|adius ** 2

    def scale(self, factor: float) -> "Circle":
        return Circle(self.radius * factor)
"""

RENAME = """@@ -6,7 +6,7 @@
 class Circle(Shape):
     \"\"\"A circle around the origin.\"\"\"
~
-    def __init__(self, r: float) -> None:
-        self.r = r
+    def __init__(self, radius: float) -> None:
+        self.radius = radius
~
     def area(self) -> float:
""".replace("~", " ")  # a row of one blank

RELATED = (
    RelatedFile(
        project="geometry",
        path="shapes/base.py",
        last_row=40,
        excerpts=(
            RelatedExcerpt(start_row=0, end_row=2, text="class Shape:\n    name = ''\n"),
            RelatedExcerpt(start_row=9, end_row=10, text="    def area(self): ...\n"),
        ),
    ),
    RelatedFile(
        project="",
        path="math.pyi",
        last_row=99,
        excerpts=(RelatedExcerpt(start_row=30, end_row=31, text="pi: Final[float]"),),
        is_outside_project=True,
    ),
)

LONG = input_at(
    "".join(
        f"value_{row:03} = compute(value_{row - 1:03}, {'|' * (row == 40)}{row})\n"
        for row in range(80)
    ),
    path="generated.py",
)
"""A file of which no format shows all rows as editable."""

CASES = {
    "rename": replace(
        input_at(PYTHON, path="shapes/circle.py", project="geometry"),
        events=(
            change(
                "shapes/square.py",
                "@@ -3,1 +3,1 @@\n-    side = 1\n+    size = 1\n",
                predicted=True,
                project="geometry",
            ),
            change("shapes/circle.py", RENAME, project="geometry"),
        ),
        related_files=RELATED,
    ),
    "crlf": input_at("let a = 1;\r\nlet b|\r\nlet c;\r\n", path="a.js"),
    "no_final_newline": input_at("one\ntw|o", path="notes.txt"),
    "empty_file": input_at("|", path="new.go"),
    "long_file": LONG,
}

ROWS = st.lists(
    st.sampled_from(["", "a", "b = 1", "    x", "größe", "日本 = '😀'", "}", "a b c", "NO"]),
    max_size=40,
)


def files(endings: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, int]]:
    """Texts with a cursor, never inside a CRLF."""

    def build(rows: list[str], ending: str, is_ended: bool, at: float) -> tuple[str, int]:
        text = ending.join(rows) + (ending if is_ended and rows else "")
        cursor = int(at * len(text))
        if text[:cursor].endswith("\r") and text[cursor:].startswith("\n"):
            cursor -= 1
        return text, cursor

    return st.builds(build, ROWS, endings, st.booleans(), st.floats(0, 1))
