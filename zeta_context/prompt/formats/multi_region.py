"""V0318SeedMultiRegions, the format of the released Zeta 2.1 model, and V0316 before it.

The editable region is cut into blocks by numbered tags; the model says which tags its text stands
between, and so need not repeat the rest. Source: the public client of the Zeta models.
"""

from __future__ import annotations

from dataclasses import dataclass

from zeta_context.errors import OutputError, SpecialTokens
from zeta_context.prompt.budget import utf8_length
from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt, find_special_token
from zeta_context.prompt.formats.seed_frame import FILE_MARKER, MIDDLE, PREFIX, SUFFIX, frame
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.marked_blocks import (
    TAG_PREFIX,
    Replacement,
    count_tags,
    encode_replacement,
    read_replacement,
    render_blocks,
    render_tag,
)
from zeta_context.prompt.marker_partition import nearest_marker, partition
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.prompt.rewrite import is_no_edit_answer

CURSOR_MARKER = "<|user_cursor|>"
END_MARKER = "<[end▁of▁sentence]>"

EDITABLE_TOKENS = 350
CONTEXT_TOKENS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRegion:
    """Renders and reads a format with blocks of `min_rows` to `max_rows` rows."""

    name: str
    aliases: tuple[str, ...]
    min_rows: int
    max_rows: int
    special_tokens: tuple[str, ...] = (
        SUFFIX,
        PREFIX,
        MIDDLE,
        FILE_MARKER,
        END_MARKER,
        CURSOR_MARKER,
        TAG_PREFIX,
    )
    single_tokens: tuple[str, ...] = (SUFFIX, PREFIX, MIDDLE, END_MARKER)
    max_prompt_tokens: int = 4096
    max_output_tokens: int = 2048
    stop: tuple[str, ...] = (END_MARKER,)

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt, in the frame of V0211SeedCoder.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        region = _region(prompt_input)
        cursor = utf8_length(region.text[: region.cursor - region.editable.start])
        blocks = render_blocks(region.text, self._offsets(region), cursor, CURSOR_MARKER)
        framed = frame(
            prompt_input,
            region,
            f"{region.before}{blocks}\n",
            special_tokens=self.special_tokens,
            max_tokens=self.max_prompt_tokens if max_tokens is None else max_tokens,
        )
        return framed.render(
            region, name=self.name, stop=self.stop, max_output_tokens=self.max_output_tokens
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """What stands between the first tag and the last, byte for byte, replaces what was there.

        No edit: one tag twice; nothing answered, or nothing left of a region that had text; an
        answer of other formats for "no edit". Without an end marker an answer is cut off when the
        runner says so or, where it says nothing, when it does not end in a tag.
        """
        region = _region(prompt_input)
        answer, end, _ = normalize(output).partition(END_MARKER)
        if is_no_edit_answer(answer, region.text):
            return Parsed(kind="no_edit", reason="sentinel")
        if not end and finish_reason == "length":
            return Parsed(kind="truncated", reason="truncated")
        if not answer.replace(CURSOR_MARKER, "").strip():
            return Parsed(kind="no_edit", reason="empty_output")
        is_unclear = not end and finish_reason is None
        if is_unclear and count_tags(answer) == 1:
            return Parsed(kind="truncated", reason="truncated")
        replacement = read_replacement(answer, self._offsets(region))
        if is_unclear and answer[replacement.ends_at :].strip():
            return Parsed(kind="truncated", reason="truncated")
        return _apply(replacement, region)

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The shortest answer, by tags, and the end marker.

        Raises SpecialTokens when the new region holds a marker, which no answer could say.
        """
        old = _region(prompt_input)
        offsets, new = self._offsets(old), normalize(region)
        if token := find_special_token(new, self.special_tokens):
            raise SpecialTokens(f"the new text holds the marker {token!r} of the prompt format")
        place = None if cursor is None else utf8_length(new[:cursor])
        if new == old.text:
            if place is None:
                place = utf8_length(old.text[: old.cursor - old.editable.start])
            return render_tag(nearest_marker(offsets, place)) * 2 + END_MARKER
        return encode_replacement(old.text, new, offsets, place, CURSOR_MARKER) + END_MARKER

    def _offsets(self, region: CursorRegion) -> tuple[int, ...]:
        return partition(region.text, min_rows=self.min_rows, max_rows=self.max_rows)


FORMATS = (
    MultiRegion(
        name="V0318SeedMultiRegions", aliases=("zeta2.1", "zeta2_1"), min_rows=6, max_rows=16
    ),
    MultiRegion(name="V0316SeedMultiRegions", aliases=(), min_rows=3, max_rows=8),
)
FORMAT = FORMATS[0]


def _apply(replacement: Replacement, region: CursorRegion) -> Parsed:
    if not replacement.is_edit:
        return Parsed(kind="no_edit", region=region.source_with(()), reason="identical")
    old = region.text.encode()
    before, after = old[: replacement.start].decode(), old[replacement.end :].decode()
    text = replacement.text
    others = (SUFFIX, PREFIX, MIDDLE, FILE_MARKER)
    if token := find_special_token(text, others):
        raise OutputError(f"the output holds the marker {token!r} of the prompt format")
    at = text.find(CURSOR_MARKER)
    new = before + text.replace(CURSOR_MARKER, "") + after
    if region.text.strip() and not new.strip():
        return Parsed(kind="no_edit", reason="empty_output")
    edits = region.edits_to(new)
    source = region.source_with(edits)
    place = None if at < 0 else region.source_offset_in(new, len(before) + at)
    if not edits:
        return Parsed(kind="no_edit", region=source, cursor=place, reason="identical")
    return Parsed(kind="edits", edits=edits, region=source, cursor=place)


def _region(prompt_input: PromptInput) -> CursorRegion:
    return resolve_cursor_region(prompt_input, EDITABLE_TOKENS, CONTEXT_TOKENS)
