"""Records the session scripts of fixtures/sessions through a real Neovim.

Keys go to the editor as fast as it takes them; the times in the trace are those that a person
would have taken, from a seeded model, so that recording again gives the same trace.

    python -m tools.record_session [NAME ...] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.neovim_editor import Change, EditorError, NeovimEditor
from tools.neovim_rpc import NeovimError
from tools.session_script import Script, ScriptError, read_script
from zeta_context.events.event import Cause
from zeta_context.events.trace import TraceHeader
from zeta_context.events.trace_recorder import TraceRecorder
from zeta_context.events.trace_replay import ReplayClock
from zeta_context.text.point import Span
from zeta_context.training.commits.typing_model import BACKSPACE, DELETE_WORD, TypingModel

FIXTURES = Path(__file__).parents[1] / "fixtures"
SCRIPTS = FIXTURES / "sessions" / "scripts"

_CURSOR_MARK = "¦"
_KEY_NAMES = {
    "\n": "<CR>",
    "\t": "<Tab>",
    "<": "<LT>",
    BACKSPACE: "<BS>",
    DELETE_WORD: "<C-w>",
}
_FIND_FILE_MS = 2200
_FIND_PLACE_MS = 950
_COMMAND_MS = 420
_START_MS = 1500
_MAX_INDENT_KEYS = 40
_BLANKS = " \t"


class Person:
    """Carries out the steps of a script at an editor, and writes down what the editor tells."""

    def __init__(
        self, script: Script, editor: NeovimEditor, recorder: TraceRecorder, clock: ReplayClock
    ) -> None:
        self._script = script
        self._editor = editor
        self._recorder = recorder
        self._clock = clock
        self._typing = TypingModel(script.seed)
        self._known_cursor = ("", 0)
        self._latest_key = ""
        self._is_past_row_end = False

    def act(self) -> None:
        """Carry out every step and end the trace."""
        self._wait(self._typing.think_ms(_START_MS))
        for number, (verb, *arguments) in enumerate(self._script.steps, start=1):
            try:
                getattr(self, f"_do_{verb}")(*arguments)
            except EditorError as error:
                raise EditorError(f"{self._script.name}: step {number}: {error}") from None
        self._leave_insert()
        self._recorder.finish(self._editor.texts)

    def _do_open(self, path: str) -> None:
        self._leave_insert()
        self._wait(self._typing.think_ms(_FIND_FILE_MS))
        if path in self._editor.texts:
            self._editor.open(path)
            self._recorder.focus(path)
            return
        text = self._editor.open(path)
        self._recorder.open(path, text, language=self._script.language)
        self._known_cursor = (path, 0)
        self._tell_cursor()

    def _do_goto(self, place: str, occurrence: int = 1) -> None:
        self._leave_insert()
        text = self._editor.texts[self._editor.path]
        before, _, after = place.partition(_CURSOR_MARK)
        fragment = before + after
        start = -1
        for _ in range(occurrence):
            start = text.find(fragment, start + 1)
            if start < 0:
                raise EditorError(f"no {occurrence}. {fragment!r} in {self._editor.path}")
        offset = start + (len(before) if _CURSOR_MARK in place else 0)
        row_start = text.rfind("\n", 0, offset) + 1
        row = text.count("\n", 0, offset) + 1
        column = len(text[row_start:offset].encode()) + 1
        self._wait(self._typing.think_ms(_FIND_PLACE_MS))
        self._press(f"<Cmd>call cursor({row}, {column})<CR>")
        self._is_past_row_end = self._editor.cursor < offset

    def _do_change(self, text: str) -> None:
        self._command("ciw")
        self._type(text)

    def _do_type(self, text: str) -> None:
        if self._editor.mode != "i":
            # In normal mode the cursor cannot stand behind the last character of a row.
            self._command("a" if self._is_past_row_end else "i")
        self._type(text)

    def _do_append(self, text: str) -> None:
        self._command("A")
        self._type(text)

    def _do_insert(self, text: str) -> None:
        self._command("I")
        self._type(text)

    def _do_below(self, text: str) -> None:
        self._command("o")
        self._indent(text.partition("\n")[0])
        self._type(text.lstrip(_BLANKS))

    def _do_above(self, text: str) -> None:
        self._command("O")
        self._indent(text.partition("\n")[0])
        self._type(text.lstrip(_BLANKS))

    def _do_keys(self, keys: str) -> None:
        self._command(keys)

    def _do_undo(self, times: int = 1) -> None:
        self._repeat_history("u", "undo", times)

    def _do_redo(self, times: int = 1) -> None:
        self._repeat_history("<C-r>", "redo", times)

    def _do_pause(self, seconds: float) -> None:
        self._wait(self._typing.think_ms(round(seconds * 1000)))

    def _do_save(self) -> None:
        self._leave_insert()
        self._wait(self._typing.think_ms(_COMMAND_MS))
        self._editor.save()
        self._recorder.save(self._editor.path)

    def _do_close(self) -> None:
        self._leave_insert()
        self._wait(self._typing.think_ms(_COMMAND_MS))
        path = self._editor.path
        self._editor.close()
        self._recorder.close(path)
        if self._editor.path:
            self._recorder.focus(self._editor.path)

    def _do_outside(self, path: str, old: str, new: str) -> None:
        self._leave_insert()
        changes = self._editor.change_outside(path, old, new)
        if not any(change.is_reload for change in changes):
            raise EditorError(f"Neovim did not reload {path}")
        self._tell(changes, "edit")

    def _repeat_history(self, key: str, cause: Cause, times: int) -> None:
        self._leave_insert()
        for _ in range(times):
            self._wait(self._typing.think_ms(_COMMAND_MS))
            self._press(key, cause)

    def _type(self, text: str) -> None:
        text = self._typing.mistype(text, self._script.typos)
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if number:
                self._key("\n")
                self._indent(line)
            for key in line.lstrip(_BLANKS) if number else line:
                self._key(key)

    def _indent(self, line: str) -> None:
        """Bring the indentation that the editor gave to that of `line`, as with Tab and <BS>."""
        if not line.strip():
            return
        wanted = len(line) - len(line.lstrip(_BLANKS))
        for _ in range(_MAX_INDENT_KEYS):
            text, cursor = self._editor.texts[self._editor.path], self._editor.cursor
            have = cursor - (text.rfind("\n", 0, cursor) + 1)
            if have == wanted:
                return
            self._key("\t" if have < wanted else BACKSPACE)
        raise EditorError("the indentation cannot be brought about")

    def _key(self, key: str) -> None:
        self._wait(self._typing.interval_ms(self._latest_key, key))
        self._latest_key = key
        self._press(_KEY_NAMES.get(key, key))

    def _command(self, keys: str) -> None:
        self._leave_insert()
        self._wait(self._typing.think_ms(_COMMAND_MS))
        self._press(keys)

    def _leave_insert(self) -> None:
        self._latest_key = ""
        if self._editor.mode != "n":
            self._wait(self._typing.think_ms(_COMMAND_MS))
            self._press("<Esc>")

    def _press(self, keys: str, cause: Cause = "edit") -> None:
        self._is_past_row_end = False
        self._tell(self._editor.press(keys), cause)

    def _tell(self, changes: Sequence[Change], cause: Cause) -> None:
        for change in changes:
            if change.is_reload:
                self._recorder.reload(change.path, change.new_text)
                self._known_cursor = ("", 0)
                continue
            span = Span(change.start, change.end)
            self._recorder.edit(change.path, span, change.new_text, cause=cause)
            self._known_cursor = (change.path, change.start + len(change.new_text))
        self._tell_cursor()

    def _tell_cursor(self) -> None:
        cursor = (self._editor.path, self._editor.cursor)
        if cursor[0] and cursor != self._known_cursor:
            self._recorder.cursor(*cursor)
            self._known_cursor = cursor

    def _wait(self, ms: int) -> None:
        self._clock.advance_to(self._clock.now_ms + ms)


def record(script: Script, target: Path) -> None:
    """Record a script into a new trace file, in a copy of its repository."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / script.repository
        shutil.copytree(FIXTURES / "repos" / script.repository, root)
        clock = ReplayClock()
        with NeovimEditor(root, indent=script.indent) as editor:
            metadata: dict[str, str | int | bool] = {
                "name": script.name,
                "language": script.language,
                "purpose": script.purpose,
                "tuning": script.tuning,
            }
            if script.quiet:
                metadata["quiet"] = True
            header = TraceHeader(root=script.repository, editor=editor.version, metadata=metadata)
            with TraceRecorder(target, header, clock=clock) as recorder:
                Person(script, editor, recorder, clock).act()


def main(argv: Sequence[str] | None = None) -> int:
    """Record the named scripts, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--output", type=Path, default=FIXTURES / "sessions")
    arguments = parser.parse_args(argv)
    paths = [SCRIPTS / f"{name}.toml" for name in arguments.names] or sorted(SCRIPTS.glob("*.toml"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = arguments.output / f"{path.stem}.jsonl"
        fresh = target.with_suffix(".new.jsonl")
        fresh.unlink(missing_ok=True)
        try:
            record(read_script(path), fresh)
        except (EditorError, NeovimError, ScriptError, OSError) as error:
            fresh.unlink(missing_ok=True)
            print(error, file=sys.stderr)
            return 2
        fresh.replace(target)
        target.chmod(0o644)
        print(f"{target.stem}: {target.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
