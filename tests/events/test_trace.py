"""The trace format: what is written is read back, and what is broken is told without its text."""

import json
import stat
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.counts import Counts
from zeta_context.errors import TraceError
from zeta_context.events import trace_codec
from zeta_context.events.trace import (
    Closed,
    CursorMoved,
    Edited,
    Ended,
    Focused,
    Opened,
    Reloaded,
    Renamed,
    Reported,
    Saved,
    TraceEntry,
    TraceHeader,
    digest_text,
)
from zeta_context.events.trace_codec import decode_entry, encode_entry, upgrade_record
from zeta_context.events.trace_file import TraceReader, convert_trace, write_trace
from zeta_context.events.trace_recorder import TraceRecorder
from zeta_context.text.point import Span

HEADER = TraceHeader(
    root="lending", editor="nvim 0.11", metadata={"language": "python", "tuning": True}
)
SECRET = "correct horse battery staple"

times = st.integers(min_value=0, max_value=2**40)
# Lone surrogates are texts that an editor can hold, and no UTF-8.
texts = st.text(st.characters(exclude_categories=()), max_size=12)
paths = st.lists(st.text("abcdé .", min_size=1, max_size=5), min_size=1, max_size=3).map(
    lambda parts: "/".join(part.replace("..", "x") for part in parts)
)
spans = st.tuples(st.integers(0, 999), st.integers(0, 999)).map(lambda pair: Span(*sorted(pair)))
entries: st.SearchStrategy[TraceEntry] = st.one_of(
    st.builds(Opened, at_ms=times, path=paths, language=texts, text=texts),
    st.builds(Opened, at_ms=times, path=paths, blob=texts, sha256=texts),
    st.builds(
        Edited,
        at_ms=times,
        path=paths,
        span=spans,
        new_text=texts,
        version=times,
        predicted=st.booleans(),
        cause=st.sampled_from(["edit", "undo", "redo"]),
    ),
    st.builds(CursorMoved, at_ms=times, path=paths, offset=times),
    st.builds(Focused, at_ms=times, path=paths),
    st.builds(Saved, at_ms=times, path=paths),
    st.builds(Closed, at_ms=times, path=paths),
    st.builds(Reloaded, at_ms=times, path=paths, text=texts),
    st.builds(Renamed, at_ms=times, path=paths, new_path=paths),
    st.builds(
        Reported,
        at_ms=times,
        prediction=texts,
        state=st.sampled_from(["shown", "accepted", "rejected"]),
        reason=st.none() | texts,
    ),
    st.builds(
        Ended,
        at_ms=times,
        texts=st.dictionaries(paths, texts, max_size=3),
        reason=st.sampled_from(["closed", "full"]),
    ),
)


def read_lines(*lines: object, counts: Counts | None = None, tail: bytes = b"") -> TraceReader:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return TraceReader(BytesIO(data + tail), counts=counts)


HEADER_LINE = {"zeta-trace": 1, "root": "lending"}
OPEN_LINE = {"kind": "open", "at_ms": 0, "path": "a.py", "text": SECRET}


@given(entry=entries)
def test_every_entry_comes_back_as_it_was_encoded(entry: TraceEntry) -> None:
    record = encode_entry(entry)
    assert decode_entry(json.loads(json.dumps(record))) == entry


@settings(max_examples=30)
@given(session=st.lists(entries, max_size=6))
def test_both_file_forms_hold_the_same_entries(
    session: list[TraceEntry], tmp_path_factory: pytest.TempPathFactory
) -> None:
    session.sort(key=lambda entry: entry.at_ms)
    folder = tmp_path_factory.mktemp("trace")
    write_trace(folder / "a.jsonl", HEADER, session)
    convert_trace(folder / "a.jsonl", folder / "a.ztrace")
    convert_trace(folder / "a.ztrace", folder / "b.jsonl")
    assert (folder / "b.jsonl").read_bytes() == (folder / "a.jsonl").read_bytes()
    for name in ("a.jsonl", "a.ztrace"):
        with TraceReader.open(folder / name) as reader:
            assert reader.header == HEADER
            assert list(reader) == session


def test_converting_keeps_unknown_kinds_and_fields(tmp_path: Path) -> None:
    lines = [{**HEADER_LINE, "host": {"os": "linux"}}, {"kind": "fold", "at_ms": 1, "rows": [1, 2]}]
    original = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(original)
    convert_trace(tmp_path / "a.jsonl", tmp_path / "a.ztrace")
    convert_trace(tmp_path / "a.ztrace", tmp_path / "b.jsonl")
    assert (tmp_path / "b.jsonl").read_text() == original


def test_unknown_kinds_are_passed_over_and_counted_and_unknown_fields_ignored() -> None:
    counts = Counts()
    reader = read_lines(
        HEADER_LINE,
        {"kind": "fold", "at_ms": 5},
        {"kind": "save", "at_ms": 6, "path": "a.py", "encoding": "utf-8"},
        counts=counts,
    )
    assert list(reader) == [Saved(at_ms=6, path="a.py")]
    assert counts.totals() == {"trace_unknown_entry": 1}


@pytest.mark.parametrize("tail", [b'{"kind":"sa', b'{"kind":"edit","at_ms":3,"new_text":"\xc3'])
def test_a_record_cut_off_by_a_crash_ends_the_trace_and_is_counted(tail: bytes) -> None:
    counts = Counts()
    reader = read_lines(HEADER_LINE, OPEN_LINE, counts=counts, tail=tail)
    assert len(list(reader)) == 1
    assert counts.totals() == {"trace_truncated": 1}
    assert not reader.is_complete


def test_a_stored_trace_cut_anywhere_gives_a_prefix_of_its_entries(tmp_path: Path) -> None:
    session: list[TraceEntry] = [Opened(at_ms=0, path="a.py", text="")]
    session += [
        Edited(at_ms=i, path="a.py", span=Span(i, i), new_text=chr(97 + i % 26), version=i + 1)
        for i in range(600)
    ]
    write_trace(tmp_path / "a.ztrace", HEADER, session)
    whole = (tmp_path / "a.ztrace").read_bytes()
    lengths = []
    with pytest.raises(TraceError, match="within its first record"):
        TraceReader(BytesIO(whole[:20]))
    for size in range(len(whole) // 2, len(whole), len(whole) // 8):
        read = list(TraceReader(BytesIO(whole[:size])))
        assert read == session[: len(read)]
        lengths.append(len(read))
    assert lengths == sorted(lengths)
    assert lengths[-1] > 300


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({**OPEN_LINE, "at_ms": -1}, "'at_ms'"),
        ({**OPEN_LINE, "at_ms": True}, "'at_ms'"),
        ({**OPEN_LINE, "text": 7}, "'text'"),
        ({**OPEN_LINE, "path": "/etc/passwd"}, "'path'"),
        ({**OPEN_LINE, "path": "../" + SECRET}, "'path'"),
        ({**OPEN_LINE, "blob": "e69de29"}, "either 'text' or 'blob'"),
        ({"kind": "open", "at_ms": 0, "path": "a.py"}, "either 'text' or 'blob'"),
        ({"kind": "edit", "at_ms": 0, "path": "a.py", "new_text": SECRET}, "without 'span'"),
        ({"kind": "edit", "at_ms": 0, "path": "a", "span": [3, 2], "new_text": SECRET}, "'span'"),
        ({"kind": "edit", "at_ms": 0, "path": "a", "span": [3], "new_text": SECRET}, "'span'"),
        ({"kind": "outcome", "at_ms": 0, "prediction": "p", "state": SECRET}, "'state'"),
        ({"kind": "end", "at_ms": 0, "texts": [SECRET]}, "'texts'"),
        ({"at_ms": 0, "text": SECRET}, "'kind'"),
        ([SECRET], "mapping"),
    ],
)
def test_a_wrong_entry_is_told_with_its_line_and_without_its_text(line: object, says: str) -> None:
    reader = read_lines(HEADER_LINE, {"kind": "focus", "at_ms": 0, "path": "a.py"}, line)
    with pytest.raises(TraceError) as caught:
        list(reader)
    assert str(caught.value).startswith("line 3: ")
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_line_that_is_no_json_in_the_middle_is_an_error() -> None:
    reader = read_lines(HEADER_LINE, tail=b'{"text": "' + SECRET.encode() + b"\n{}\n")
    with pytest.raises(TraceError, match=r"^line 2: no JSON$"):
        list(reader)


def test_time_that_goes_back_is_an_error() -> None:
    reader = read_lines(HEADER_LINE, OPEN_LINE | {"at_ms": 9}, OPEN_LINE | {"at_ms": 8})
    with pytest.raises(TraceError, match=r"^line 3: time goes back from 9 to 8 ms$"):
        list(reader)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ({"kind": "open"}, "no trace"),
        ({"zeta-trace": "1", "root": "a"}, "no trace"),
        ({"zeta-trace": 2, "root": "a"}, "update zeta-context"),
        ({"zeta-trace": 1}, "'root'"),
        ({"zeta-trace": 1, "root": "/home/someone"}, "'root'"),
        ({"zeta-trace": 1, "root": "a", "positions": "utf-16"}, "'positions'"),
        ({"zeta-trace": 1, "root": "a", "clock": "s"}, "'clock'"),
        ({"zeta-trace": 1, "root": "a", "metadata": [1]}, "'metadata'"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(first: object, says: str) -> None:
    with pytest.raises(TraceError, match=says):
        read_lines(first)


def test_an_empty_file_a_missing_file_and_another_kind_of_file_are_no_traces(
    tmp_path: Path,
) -> None:
    with pytest.raises(TraceError, match="empty"):
        TraceReader(BytesIO(b""))
    with pytest.raises(TraceError, match="cannot be read"):
        TraceReader.open(tmp_path / "missing.jsonl")
    with pytest.raises(TraceError, match="no JSON"):
        TraceReader(BytesIO(b"\x89PNG\r\n\x1a\n"))
    with pytest.raises(TraceError, match="line 1"):
        TraceReader(BytesIO(b"\x28\xb5\x2f\xfd" + b"\xff" * 64))


def test_a_record_of_an_older_version_goes_through_each_upgrade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace_codec, "TRACE_VERSION", 3)

    def name_kind(record: trace_codec.Record) -> trace_codec.Record:
        return {**record, "kind": record["op"]}

    def use_milliseconds(record: trace_codec.Record) -> trace_codec.Record:
        return {**record, "at_ms": record["at"] * 1000}

    upgraded = upgrade_record(
        {"op": "save", "at": 2, "path": "a.py"}, 1, {1: name_kind, 2: use_milliseconds}
    )
    assert decode_entry(upgraded) == Saved(at_ms=2000, path="a.py")


def test_reading_holds_one_record_at_a_time() -> None:
    class Endless(BytesIO):
        """A trace without end: reading it whole would never return."""

        def __init__(self) -> None:
            super().__init__(json.dumps(HEADER_LINE).encode() + b"\n")
            self.lines = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.lines += 1
            if self.lines == 1:
                return super().readline(size)
            return b'{"kind":"save","at_ms":%d,"path":"a.py"}\n' % self.lines

    stream = Endless()
    read: Iterator[TraceEntry] = iter(TraceReader(stream))
    assert [next(read).at_ms for _ in range(1000)] == list(range(2, 1002))
    assert stream.lines == 1001


def test_the_recorder_writes_each_entry_at_once_and_for_its_owner_only(tmp_path: Path) -> None:
    now = [100.0]
    path = tmp_path / "session.jsonl"
    recorder = TraceRecorder(path, HEADER, clock=lambda: now[0])
    recorder.open("a.py", "x = 1\n", language="python")
    now[0] += 0.25
    recorder.edit("a.py", Span(4, 5), "2")
    recorder.edit("a.py", Span(5, 5), "3", cause="undo")
    now[0] -= 5  # a clock that jumps back
    recorder.cursor("a.py", 0)
    # Not closed yet: what a crash would leave is already complete.
    with TraceReader.open(path) as reader:
        assert list(reader) == [
            Opened(at_ms=0, path="a.py", language="python", text="x = 1\n"),
            Edited(at_ms=250, path="a.py", span=Span(4, 5), new_text="2", version=1),
            Edited(at_ms=250, path="a.py", span=Span(5, 5), new_text="3", version=2, cause="undo"),
            CursorMoved(at_ms=250, path="a.py", offset=0),
        ]
    recorder.finish({"a.py": "x = 23\n"})
    with TraceReader.open(path) as reader:
        last = list(reader)[-1]
        assert last == Ended(at_ms=250, texts={"a.py": digest_text("x = 23\n")})
        assert reader.is_complete
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_recorder_never_writes_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text("mine")
    with pytest.raises(TraceError, match="cannot be written"):
        TraceRecorder(path, HEADER)
    assert path.read_text() == "mine"


def test_a_recording_over_its_limit_ends_in_order_and_goes_quiet(tmp_path: Path) -> None:
    counts = Counts()
    path = tmp_path / "session.jsonl"
    recorder = TraceRecorder(path, HEADER, counts=counts, max_bytes=2000)
    recorder.open("a.py", "")
    for _ in range(100):
        recorder.edit("a.py", Span(0, 0), SECRET)
    assert not recorder.is_recording
    recorder.finish({"a.py": SECRET})
    with TraceReader.open(path) as reader:
        read = list(reader)
    assert isinstance(read[-1], Ended)
    assert read[-1].reason == "full"
    assert 5 < len(read) < 30
    assert path.stat().st_size < 2300
    assert counts.totals() == {"trace_full": 1}


@pytest.mark.parametrize("name", ["session.jsonl", "session.ztrace"])
def test_a_disk_that_fails_stops_the_recording_and_not_the_session(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full to stand for a full disk")
    import os

    real_open = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, mode: real_open(full, os.O_WRONLY))
    counts = Counts()
    recorder = TraceRecorder(tmp_path / name, HEADER, counts=counts)
    recorder.open("a.py", "")
    for row in range(200):
        recorder.edit("a.py", Span(0, 0), f"line {row}\n")
    recorder.finish()
    assert not recorder.is_recording
    assert counts.total("trace_write_failed") == 1


@settings(max_examples=150)
@given(data=st.data(), name=st.sampled_from(["a.jsonl", "a.ztrace"]))
def test_a_damaged_file_raises_nothing_but_a_trace_error(
    data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trace") / name
    write_trace(path, HEADER, [Opened(at_ms=0, path="a.py", text=SECRET), Ended(at_ms=5)])
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        list(TraceReader(BytesIO(bytes(whole))))
    except TraceError as error:
        assert SECRET not in str(error)  # noqa: PT017 (most damaged files can still be read)


def test_a_stored_trace_of_something_else_is_an_error() -> None:
    import msgpack
    import zstandard

    header = msgpack.packb(HEADER_LINE)
    for record in (b"\xc1", msgpack.packb([1]), msgpack.packb({1: 2}), b"\x91" * 2000):
        stored = zstandard.ZstdCompressor().compress(header + record)
        with pytest.raises(TraceError, match="line 2"):
            list(TraceReader(BytesIO(stored)))
