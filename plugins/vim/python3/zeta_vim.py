"""The library inside Vim: a session on a thread of its own, told of changes and asked by Vim.

Vim's own functions are called by Vim's thread only; the session belongs to the other one. What
passes between the two are plain values. Knows nothing of how predictions are shown.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import Future

import vim


def find_library():
    """Make the library importable: it is installed where `zeta-context` is."""
    try:
        import zeta_context

        return zeta_context
    except ImportError:
        pass
    program = vim.eval("get(g:, 'zeta_context_program', 'zeta-context')")
    # uv and pipx put it there, which need not be in the PATH.
    found = shutil.which(program) or shutil.which(os.path.expanduser("~/.local/bin/zeta-context"))
    if found is None:
        return None
    with open(found, "rb") as script:
        first = script.readline().decode(errors="replace").strip()
    if not first.startswith("#!"):
        return None
    code = (
        "import sys, sysconfig, zeta_context, os;"
        "print(sys.version_info[:2]);"
        "print(os.path.dirname(os.path.dirname(zeta_context.__file__)));"
        "print(sysconfig.get_path('purelib')); print(sysconfig.get_path('platlib'))"
    )
    done = subprocess.run([first[2:], "-c", code], capture_output=True, text=True, check=False)
    version, *paths = done.stdout.splitlines() or [""]
    if version != str(sys.version_info[:2]):
        return None
    sys.path += [path for path in paths if path not in sys.path]
    import zeta_context

    return zeta_context


def install_command():
    """What installs the program with the Python that is inside Vim; empty without uv and pipx."""
    root = os.path.abspath(os.path.join(os.path.realpath(__file__), "..", "..", "..", ".."))
    is_clone = os.path.exists(os.path.join(root, "zeta_context", "cli", "main.py"))
    source = root if is_clone else "zeta-context"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if shutil.which("uv"):
        return ["uv", "tool", "install", "--force", "--python", version, source]
    if shutil.which("pipx"):
        return ["pipx", "install", "--force", "--python", f"python{version}", source]
    return []


class Desk:
    """The thread with the session, and what came out of it."""

    def __init__(self, root):
        self.loop = asyncio.new_event_loop()
        self.answer = None
        self.waiting = 0
        self.prediction = None
        self.jump = None
        self.reason = ""
        self.ticks = {}
        self.paths = {}
        self.session = None
        self.taken = None
        threading.Thread(target=self._run, args=(root,), daemon=True).start()

    def _run(self, root):
        asyncio.set_event_loop(self.loop)
        from zeta_context.session import Session

        self.session = Session(root, settings=_settings())
        self.loop.run_until_complete(self.session.__aenter__())
        self.loop.run_forever()
        self.loop.run_until_complete(self.session.aclose())
        self.loop.close()

    def tell(self, work):
        """Run `work` on the session's thread, after what was told before."""

        def guarded():
            from zeta_context.errors import ZetaError

            try:
                work()
            except ZetaError as error:
                self.session.counts.add(f"document_{type(error).__name__.lower()}")

        self.loop.call_soon_threadsafe(guarded)

    def ask(self, work):
        """What `work` gives on the session's thread."""
        result = Future()

        def run():
            try:
                result.set_result(work())
            except Exception as error:
                result.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return result.result(5)


def _settings():
    """The user's settings; the defaults if they cannot be used."""
    from zeta_context.errors import SettingsError
    from zeta_context.settings import load_settings, user_defaults

    try:
        return load_settings().settings
    except SettingsError:
        return user_defaults()


desk = None


def _is_off():
    """Whether the user has turned predictions off: then nothing is started."""
    from zeta_context.off_switch import is_off

    return is_off()


def open_buffer(number):
    """Whether the buffer can be watched."""
    global desk  # noqa: PLW0603 - one Vim has one session
    if desk is None:
        if find_library() is None or _is_off():
            return False
        desk = Desk(_find_root(vim.buffers[number].name))
    buffer = vim.buffers[number]
    path, text = buffer.name, "\n".join(buffer[:]) + "\n"
    desk.paths[number], desk.ticks[number] = path, 0
    desk.tell(lambda: desk.session.open(path, text))
    return True


def _find_root(path):
    folder = os.path.dirname(path) or os.getcwd()
    at = folder
    while at != os.path.dirname(at):
        if os.path.exists(os.path.join(at, ".git")):
            return at
        at = os.path.dirname(at)
    return folder


def change_buffer(number, start, end, lines):
    """The rows `start` to before `end`, counted from 1, are `lines` now."""
    path = desk.paths[number]
    desk.ticks[number] += 1
    new = "".join(line + "\n" for line in lines)

    def change():
        from zeta_context.text.diff import diff_text
        from zeta_context.text.edit import TextEdit
        from zeta_context.text.point import Span

        snapshot = desk.session.document(path).snapshot
        last = snapshot.row_count - 1
        first = snapshot.row_start(min(start - 1, last))
        stop = len(snapshot) if end - 1 > last else snapshot.row_start(end - 1)
        edits = [
            TextEdit(Span(one.span.start + first, one.span.end + first), one.new_text)
            for one in diff_text(snapshot.slice(Span(first, stop)), new)
        ]
        if edits:
            desk.session.edit_many(path, edits)

    desk.tell(change)
    return True


def save_buffer(number):
    """It was written."""
    path = desk.paths[number]
    desk.tell(lambda: desk.session.save(path))
    return True


def close_buffer(number):
    """It is gone."""
    path = desk.paths.pop(number)
    desk.tell(lambda: desk.session.close(path))
    return True


def tick(number):
    """How often a buffer has changed."""
    return desk.ticks.get(number, -1)


def ask(number, row, column, trigger, busy=""):
    """Ask for a prediction at a place, in code points; the answer is polled for."""
    path, now = desk.paths.get(number), tick(number)
    if path is None:
        return False
    desk.waiting += 1

    async def predict():
        from zeta_context.text.point import Point

        try:
            answer = await desk.session.predict(
                path, Point(row, column), trigger=trigger, busy=(busy,) if busy else ()
            )
            if desk.ticks.get(number) == now and getattr(answer, "reason", "") != "canceled":
                _keep(answer, number, now)
        except Exception as error:
            desk.reason = type(error).__name__
        finally:
            desk.waiting -= 1

    desk.loop.call_soon_threadsafe(lambda: desk.loop.create_task(predict()))
    return True


def _keep(answer, number, now):
    """On the session's thread: what Vim needs to show an answer."""
    from zeta_context.predict.preview import preview

    desk.jump = None
    if not answer:
        desk.prediction, desk.reason, desk.jump = None, answer.reason, answer.jump
        desk.answer = {} if answer.jump is None else _elsewhere(answer.jump, number, now)
        return
    if _path_of(answer) != desk.paths[number]:
        desk.prediction, desk.reason = answer, ""
        desk.answer = _elsewhere(answer, number, now)
        return
    snapshot = desk.session.document(desk.paths[number]).snapshot
    if answer.version != desk.session.document(desk.paths[number]).version:
        return
    point = snapshot.point(answer.edits[0].span.start)
    shown, removed = [], []
    for block in preview(snapshot, answer.edits):
        for span in block.removed:
            at = snapshot.point(span.start)
            before = snapshot.row(at.row)[: at.column].encode()
            old = snapshot.slice(span).split("\n")[0].encode()
            removed.append([at.row + 1, len(before) + 1, len(old)])
        if block.ghost is not None:
            row = snapshot.point(block.ghost.span.start).row
            shown.append([row + 1, block.ghost.new_text.replace("\n", " ⏎ ")])
            continue
        new = [row.text.strip() for row in block.rows if row.added]
        if new:
            shown.append([max(block.end_row, 1), "  → " + " ⏎ ".join(new)])
    desk.prediction, desk.reason = answer, ""
    desk.answer = {
        "buffer": number,
        "tick": now,
        "row": point.row,
        "column": point.column,
        "shown": shown,
        "removed": removed,
        "why": answer.why,
    }


def _elsewhere(target, number, now):
    """An edit in another file, open or not: where to go for it."""
    path = _path_of(target)
    text = getattr(target, "text", None) or desk.session.document(path).snapshot
    point = text.point(target.edits[0].span.start)
    place = {"file": path, "row": point.row, "column": point.column, "why": target.why}
    return {"buffer": number, "tick": now, "shown": [], "removed": [], **place}


def take_answer():
    """The newest answer, once."""
    answer, desk.answer = desk.answer, None
    return answer


def is_waiting():
    """Whether there are answers to come."""
    return int(desk.waiting > 0 or desk.answer is not None)


def take(part):
    """The rows that accepting the prediction, or a part of it, replaces, and where the cursor goes.

    Rows `start` to before `end`, counted from 0.
    """
    prediction = desk.taken = desk.prediction

    def work():
        from zeta_context.predict.partial import cut_part
        from zeta_context.text.edit import apply_edits, map_offset

        snapshot = desk.session.document(_path_of(prediction)).snapshot
        edits = cut_part(snapshot, prediction.edits, part) if part else prediction.edits
        after = apply_edits(snapshot, edits)
        start = snapshot.point(edits[0].span.start).row
        end = snapshot.point(edits[-1].span.end).row + 1
        stop = end + after.row_count - snapshot.row_count
        offset = prediction.cursor
        if part or offset is None:
            offset = map_offset(edits[0].span.end, edits)
        row, column = after.point(min(offset, len(after)))
        lines = [after.row(one).rstrip("\r\n") for one in range(start, stop)]
        count = snapshot.row_count - 1  # behind the last line ending there is no line in Vim
        if end > count:
            end, lines = count, lines[:-1] if lines and not lines[-1] else lines
        return {"start": start, "end": end, "lines": lines, "row": row, "column": column}

    return desk.ask(work)


def _path_of(prediction):
    return str(desk.session.projects.file(prediction.project, prediction.path))


def tell_shown():
    """The prediction is on the screen."""
    prediction = desk.prediction
    if prediction is not None and prediction.id != getattr(desk, "shown_id", None):
        desk.shown_id = prediction.id
        desk.tell(lambda: desk.session.counts.add("shown"))
    return True


def tell_accepted(part):
    """It was made in the buffer, which has been told."""
    prediction = desk.taken
    desk.prediction = None
    if part:
        desk.tell(lambda: desk.session.counts.add("partially_accepted"))
    else:
        desk.tell(lambda: desk.session.accept(prediction, is_reported=True))
    return True


def tell_rejected():
    """The user does not want it."""
    prediction, desk.prediction = desk.prediction, None
    jump, desk.jump = desk.jump, None
    if jump is not None:
        desk.tell(lambda: desk.session.reject_jump(jump))
    else:
        desk.tell(lambda: desk.session.reject(prediction))
    return True


def reason():
    """Why nothing is offered."""
    if desk is None:
        return "zeta: not running, see :ZetaStatus"
    return f"zeta: {desk.reason}" if desk.reason else "zeta"


def counts():
    """What has been counted so far."""
    return desk.ask(lambda: dict(desk.session.counts.totals())) if desk is not None else {}


def text(number):
    """The text as the session has it."""
    path = desk.paths[number]
    return desk.ask(lambda: desk.session.document(path).snapshot.text)


def wrong(number, row, column):
    """Write the state at a place as a scenario, on this machine; where it is, or what failed."""
    path, prediction = desk.paths[number], desk.prediction

    def work():
        from zeta_context.server.state import describe_state
        from zeta_context.text.point import Point

        offset = desk.session.document(path).snapshot.offset(Point(row, column))
        return describe_state(desk.session, path, offset, prediction)

    program = vim.eval("get(g:, 'zeta_context_program', 'zeta-context')")
    state = json.dumps(desk.ask(work))
    done = subprocess.run(
        [program, "wrong"], input=state, capture_output=True, text=True, check=False
    )
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


def status():
    """What happened so far, in lines."""
    if desk is None and find_library() is None:
        return [f"no library for Python {sys.version_info[0]}.{sys.version_info[1]}: :ZetaInstall"]
    return [f"{n:6d}  {name}" for name, n in sorted(counts().items())] or ["not running"]


def stop():
    """Vim is about to quit."""
    if desk is not None:
        desk.loop.call_soon_threadsafe(desk.loop.stop)
