"""A text area that shows a prediction beside the text, without moving a character of it.

Knows previews and cells of a terminal, nothing of sessions.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.events import Key
from textual.message import Message
from textual.strip import Strip
from textual.widgets import TextArea

from zeta_context.predict.preview import PreviewBlock, PreviewRow

GHOST = Style(color="bright_black", italic=True)
ADDED = Style(color="green", bold=True)
GONE = Style(color="red", strike=True)
ARROW = "  → "
WISHES = {"tab": "accept", "shift+tab": "word", "escape": "reject"}


class PredictionArea(TextArea):
    """Tells of the keys for predictions while one is on offer; all other keys edit."""

    class Wanted(Message):
        """The user pressed a key for a prediction: `accept`, `word` or `reject`."""

        def __init__(self, wish: str) -> None:
            super().__init__()
            self.wish = wish

    has_offer = False
    _blocks: tuple[PreviewBlock, ...] = ()

    def show_blocks(self, blocks: tuple[PreviewBlock, ...]) -> None:
        """Draw these from now on."""
        if blocks != self._blocks:
            self._blocks = blocks
            self._line_cache.clear()
            self.refresh()

    async def _on_key(self, event: Key) -> None:
        wish = WISHES.get(event.key)
        if wish is not None and self.has_offer:
            event.prevent_default()
            event.stop()
            self.post_message(self.Wanted(wish))
        elif event.key != "escape":  # which would leave the text area
            await super()._on_key(event)

    def render_line(self, y: int) -> Strip:
        """A row of the text, with what it would become behind it."""
        strip = super().render_line(y)
        row = y + int(self.scroll_offset.y)
        behind = self._behind(row)
        if not behind or row >= self.document.line_count:
            return strip
        width = strip.cell_length
        text = self.document.get_line(row).expandtabs(self.indent_width)
        end = self.gutter_width + cell_len(text) - int(self.scroll_offset.x)
        if not 0 <= end < width:
            return strip
        return Strip.join([strip.crop(0, end), Strip(behind)]).adjust_cell_length(width)

    def _behind(self, row: int) -> list[Segment]:
        for block in self._blocks:
            if block.ghost is not None and row == max(block.end_row - 1, 0):
                rows = block.ghost.new_text.split("\n")
                more = f"  (+{len(rows) - 1} rows)" if len(rows) > 1 else ""
                return [Segment(rows[0] + more, GHOST)]
            at = row - block.first_row
            if block.ghost is None and 0 <= at < max(block.end_row - block.first_row, 1):
                if at >= len(block.rows):
                    return [Segment(ARROW + "(goes)", GONE)]
                return [Segment(ARROW, GHOST), *_segments(block.rows[at])]
        return []


def _segments(row: PreviewRow) -> list[Segment]:
    segments: list[Segment] = []
    reached = len(row.text) - len(row.text.lstrip())
    for span in row.added:
        segments.append(Segment(row.text[reached : span.start], GHOST))
        segments.append(Segment(row.text[max(span.start, reached) : span.end], ADDED))
        reached = max(span.end, reached)
    return [*segments, Segment(row.text[reached:], GHOST)]
