"""What a file imports: the names it gets, the files it names, and the rows that say so.

Needs no language server: it gives names to ask about. Knows nothing of budgets.
"""

from __future__ import annotations

from collections.abc import Iterator

from zeta_context.context import syntax
from zeta_context.context.assemble import Piece, Rows, merge_rows
from zeta_context.context.files import SourceFile
from zeta_context.context.nearby import Name
from zeta_context.context.syntax import Identifier, SyntaxTree
from zeta_context.text.point import Span

MAX_IMPORTED_NAMES = 48
IMPORTS = frozenset(
    {
        "import_statement",
        "import_from_statement",
        "use_declaration",
        "import_declaration",
        "preproc_include",
    }
)
SHELLS = frozenset(
    {"preproc_ifdef", "preproc_if", "preproc_else", "linkage_specification", "declaration_list"}
)
"""What stands around the top level of a C header without being a level of its own."""

_CONDITIONS = frozenset({"if_statement", "try_statement", "block", "except_clause", "else_clause"})
"""In what a Python module may import, too: only for a type checker, say."""

_PATHS = frozenset({"string_literal", "interpreted_string_literal"})
"""How C and Go name what they import; what C looks for in the system's folders is not followed."""

_AROUND_PATHS = frozenset({"import_spec_list", "import_spec"}) | IMPORTS


def statements(tree: SyntaxTree, shells: frozenset[str]) -> Iterator[tuple[str, Span]]:
    """Kind and place of what stands at the top level, also inside of `shells`."""
    waiting = tree.tree.root_node.named_children[::-1]
    while waiting:
        node = waiting.pop()
        if node.type in shells:
            waiting += node.named_children[::-1]
        else:
            yield node.type, tree.span(node)


def imported_names(file: SourceFile, first_rank: int) -> list[Name]:
    """The names that the file's imports bring into it, and the paths of the files they name."""
    return [
        Name(name=one.name, span=one.span, rank=first_rank + at)
        for at, one in enumerate(file.once(_identifiers))
    ]


def import_pieces(file: SourceFile, order: int) -> list[Piece]:
    """The rows of the file's imports, which say what may be used without asking."""
    return [Piece(rows=one, order=order, source="current_file") for one in file.once(_rows)]


def _spans(file: SourceFile) -> list[Span]:
    if file.tree is None:
        return []
    found = statements(file.tree, SHELLS | _CONDITIONS)
    return [span for kind, span in found if kind in IMPORTS]


def _identifiers(file: SourceFile) -> list[Identifier]:
    if file.tree is None:
        return []
    spans = file.once(_spans)
    found: dict[str, Identifier] = {}
    for span in spans:
        for one in syntax.identifiers_in(file.tree, span):
            found.setdefault(one.name, one)
    for kind, span in statements(file.tree, SHELLS | _AROUND_PATHS):
        if kind in _PATHS and any(one.contains(span.start) for one in spans):
            path = file.snapshot.slice(span)
            found.setdefault(path, Identifier(name=path, span=span))
    return list(found.values())[:MAX_IMPORTED_NAMES]


def _rows(file: SourceFile) -> list[Rows]:
    rows: list[Rows] = []
    for start, end in file.once(_spans):
        # The line break belongs to a directive of the preprocessor.
        last = file.snapshot.point(max(start, end - 1)).row
        rows.append((file.snapshot.point(start).row, last + 1))
    return merge_rows(rows)
