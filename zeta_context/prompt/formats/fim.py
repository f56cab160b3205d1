"""Fill-in-the-middle: what stands before the cursor, what stands after it, and the text between.

One format, and the families of models that differ in its tokens as data. The edit is an insertion
at the cursor; the history of edits is not shown. Sources: the model cards and papers of the
families, and public clients of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from zeta_context.prompt.budget import FittedSection, budget_with_margin, estimate_tokens
from zeta_context.prompt.format import FinishReason, Parsed, RenderedPrompt
from zeta_context.prompt.framing import Part, join_parts, refuse_special_tokens, shown_path
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.region import CursorRegion, resolve_row_region
from zeta_context.prompt.related import render_related_excerpts
from zeta_context.prompt.rewrite import cut_at
from zeta_context.text.point import Span

CONTEXT_ROWS = 1000
CONTEXT_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryLayout:
    """How a family shows other files; `{project}`, `{path}` and `{text}` are what they say.

    `head` comes first, where the project has a name; then `file` for each excerpt, whose text ends
    in a line feed; then `own_file` for the file of the cursor, which goes on with its prefix.
    `own_name` is what of that stands after the prefix token, when the rest is before it.
    `is_in_prefix` tells that all of it stands after the prefix token.
    """

    file: str
    own_file: str
    head: str = ""
    own_name: str = ""
    is_in_prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FillInTheMiddle:
    """Renders and reads the prompts of one family.

    `suffix_first` is the order suffix, prefix, middle. `stop` are the strings at which an answer
    ends, `other_tokens` the family's further tokens that no text may hold.
    """

    name: str
    aliases: tuple[str, ...]
    prefix: str
    suffix: str
    middle: str
    stop: tuple[str, ...]
    suffix_first: bool = False
    layout: RepositoryLayout | None = None
    other_tokens: tuple[str, ...] = ()
    layout_tokens: tuple[str, ...] = ()
    max_prompt_tokens: int = 4096
    max_output_tokens: int = 256

    @property
    def single_tokens(self) -> tuple[str, ...]:
        """The three tokens of the middle to fill, and those between files."""
        tokens = (self.prefix, self.suffix, self.middle, *self.layout_tokens)
        return tuple(token for token in tokens if token)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """All tokens of the family that the prompt has or that end an answer."""
        ends = tuple(end for end in self.stop if not end.startswith("\n"))
        return tuple(dict.fromkeys((*self.single_tokens, *ends, *self.other_tokens)))

    def render(self, prompt_input: PromptInput, *, max_tokens: int | None = None) -> RenderedPrompt:
        """The prompt; excerpts of other files stand in it where the family has a way to show them.

        Raises SpecialTokens and OverBudget as `Format.render` says.
        """
        max_tokens = self.max_prompt_tokens if max_tokens is None else max_tokens
        region = _region(prompt_input)
        refuse_special_tokens(prompt_input, region, self.special_tokens)
        tokens = self.prefix + self.suffix + self.middle
        left = budget_with_margin(max_tokens)
        left -= estimate_tokens(tokens + region.before + region.after)
        files, own_name = self._render_files(prompt_input, region, left)
        before = Part(name="prefix", text=self.prefix + own_name + region.before)
        after = Part(name="suffix", text=self.suffix + region.after)
        if files is None:
            parts = [before, after]
        elif self.layout is not None and self.layout.is_in_prefix:
            shown = Part(name="related_files", text=self.prefix + files.text, fitted=files)
            parts = [shown, replace(before, text=region.before), after]
        else:
            parts = [Part(name="related_files", text=files.text, fitted=files), before, after]
        if self.suffix_first:
            parts = [after, *parts[:-1]]
        parts.append(Part(name="middle", text=self.middle))
        return join_parts(parts, max_tokens, files.left_out if files else ()).render(
            region, name=self.name, stop=self.stop, max_output_tokens=self.max_output_tokens
        )

    def parse(
        self, output: str, prompt_input: PromptInput, *, finish_reason: FinishReason | None = None
    ) -> Parsed:
        """The answer as an insertion at the cursor, byte for byte up to where the family ends.

        No edit: nothing but blanks. An insertion that was cut off is truncated.
        """
        region = _region(prompt_input)
        ends = (*self.stop, *self.special_tokens)
        text, is_whole = cut_at(normalize(output), ends)
        if not is_whole and finish_reason == "length":
            return Parsed(kind="truncated", reason="truncated")
        if not text.strip():
            return Parsed(kind="no_edit", reason="empty_output")
        edits = region.edits_to(text)
        return Parsed(kind="edits", edits=edits, region=region.source_with(edits))

    def encode(self, prompt_input: PromptInput, region: str, *, cursor: int | None = None) -> str:
        """The text to insert; the model's own end follows it. It tells no cursor."""
        return normalize(region)

    def _render_files(
        self, prompt_input: PromptInput, region: CursorRegion, left: int
    ) -> tuple[FittedSection | None, str]:
        """What stands before the file of the cursor, and its name where that stands in it."""
        layout = self.layout
        if layout is None:
            return None, ""
        path = shown_path(prompt_input)
        project = normalize(prompt_input.project)
        head = layout.head.format(project=project) if project else ""
        own_file, own_name = layout.own_file.format(path=path), layout.own_name.format(path=path)
        related = render_related_excerpts(
            prompt_input.related_files,
            render=_file_renderer(layout),
            max_tokens=max(0, left - estimate_tokens(head + own_file + own_name)),
            special_tokens=self.special_tokens,
            cursor_file=(prompt_input.project, prompt_input.path),
            cursor_rows=region.context_rows(prompt_input.excerpt_start_row),
        )
        if not related.text:
            return related, ""
        return replace(related, text=head + related.text + own_file), own_name


def _file_renderer(layout: RepositoryLayout) -> Callable[[str, str], str]:
    return lambda path, text: layout.file.format(path=path, text=text)


def _region(prompt_input: PromptInput) -> CursorRegion:
    """The rows around the cursor, of which none may be rewritten: the region is empty."""
    region = resolve_row_region(
        prompt_input,
        editable_rows=(0, 0),
        context_rows=CONTEXT_ROWS,
        context_budget=CONTEXT_TOKENS,
    )
    return replace(region, editable=Span(region.cursor, region.cursor))


_BARS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STAR = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_SEED = ("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>")
_DEEP = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")

FORMATS = (
    FillInTheMiddle(
        name="fim-qwen-coder",
        aliases=("qwen-coder", "qwen2.5-coder", "qwen3-coder"),
        prefix=_BARS[0],
        suffix=_BARS[1],
        middle=_BARS[2],
        stop=(
            "<|endoftext|>",
            *_BARS,
            "<|fim_pad|>",
            "<|repo_name|>",
            "<|file_sep|>",
            "<|im_start|>",
            "<|im_end|>",
        ),
        layout=RepositoryLayout(
            head="<|repo_name|>{project}\n",
            file="<|file_sep|>{path}\n{text}",
            own_file="<|file_sep|>{path}\n",
        ),
        layout_tokens=("<|repo_name|>", "<|file_sep|>"),
    ),
    FillInTheMiddle(
        name="fim-seed-coder",
        aliases=("seed-coder",),
        prefix=_SEED[0],
        suffix=_SEED[1],
        middle=_SEED[2],
        suffix_first=True,
        stop=(
            "<[end▁of▁sentence]>",
            *_SEED,
            "<[PAD▁TOKEN]>",
            "<[SEP▁TOKEN]>",
            "<[begin▁of▁sentence]>",
        ),
        layout=RepositoryLayout(
            file="<filename>{path}\n{text}", own_file="<filename>{path}\n", is_in_prefix=True
        ),
        other_tokens=("<filename>",),
    ),
    FillInTheMiddle(
        name="fim-starcoder2",
        aliases=("starcoder2", "stable-code"),
        prefix=_STAR[0],
        suffix=_STAR[1],
        middle=_STAR[2],
        stop=(*_STAR, "<file_sep>", "<|endoftext|>"),
        layout=RepositoryLayout(
            head="<repo_name>{project}",
            file="<file_sep>{path}\n{text}",
            own_file="<file_sep>",
            own_name="{path}\n",
        ),
        layout_tokens=("<repo_name>", "<file_sep>"),
    ),
    FillInTheMiddle(
        name="fim-deepseek-coder",
        aliases=("deepseek-coder",),
        prefix=_DEEP[0],
        suffix=_DEEP[1],
        middle=_DEEP[2],
        stop=(*_DEEP, "<｜end▁of▁sentence｜>"),
        layout=RepositoryLayout(file="#{path}\n{text}", own_file="#{path}\n", is_in_prefix=True),
    ),
    FillInTheMiddle(
        name="fim-codestral",
        aliases=("codestral",),
        prefix="[PREFIX]",
        suffix="[SUFFIX]",
        middle="",
        suffix_first=True,
        stop=("[PREFIX]", "[SUFFIX]", "\n+++++ "),
        layout=RepositoryLayout(
            file="+++++ {path}\n{text}\n", own_file="+++++ {path}\n", is_in_prefix=True
        ),
    ),
    FillInTheMiddle(
        name="fim-codegemma",
        aliases=("codegemma",),
        prefix=_BARS[0],
        suffix=_BARS[1],
        middle=_BARS[2],
        stop=(*_BARS, "<|file_separator|>", "<end_of_turn>", "<eos>"),
        layout=RepositoryLayout(file="{path}\n{text}<|file_separator|>", own_file="{path}\n"),
        layout_tokens=("<|file_separator|>",),
    ),
    FillInTheMiddle(
        name="fim-granite",
        aliases=("granite", "granite4"),
        prefix=_BARS[0],
        suffix=_BARS[1],
        middle=_BARS[2],
        stop=("<|end_of_text|>", *_BARS, "<|fim_pad|>"),
    ),
)
