"""The conflict markers between which several formats of the Zeta family show the editable region.

Knows nothing of what stands around them. Source: the public client of the Zeta models.
"""

from __future__ import annotations

from zeta_context.prompt.region import CursorRegion

CURSOR_MARKER = "<|user_cursor|>"
CURRENT_MARKER = "<<<<<<< CURRENT\n"
SEPARATOR = "=======\n"
END_MARKER = ">>>>>>> UPDATED\n"


def render_cursor_text(region: CursorRegion) -> str:
    """The rows around the cursor down to the region's last, the region between the markers."""
    current = region.text_with(CURSOR_MARKER)
    newline = "" if current.endswith("\n") else "\n"
    return f"{region.before}{CURRENT_MARKER}{current}{newline}{SEPARATOR}"
