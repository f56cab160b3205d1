"""Prompt inputs written as plain data and read back."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import PromptError
from zeta_context.events.event import Event
from zeta_context.prompt.codec import (
    decode_dict,
    decode_msgpack,
    encode_dict,
    encode_msgpack,
)
from zeta_context.prompt.input import Diagnostic, PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span

SAMPLE = PromptInput(
    project="p",
    path="a.py",
    cursor_excerpt="x = 1\n",
    cursor_offset=2,
    excerpt_start_row=7,
    language="python",
    syntax_spans=(Span(0, 1), Span(0, 6)),
    events=(
        Event(
            project="p",
            path="a.py",
            diff="@@ -1 +1 @@\n-y\n+x\n",
            old_span=Span(0, 1),
            new_span=Span(0, 1),
            predicted=True,
            cause="undo",
            at=1.5,
            old_path="b.py",
            in_open_source_repo=False,
        ),
    ),
    related_files=(
        RelatedFile(
            project="",
            path="lib.pyi",
            last_row=3,
            excerpts=(RelatedExcerpt(start_row=0, end_row=1, text="pi: float\n", symbol="pi"),),
            is_outside_project=True,
        ),
    ),
    diagnostics=(Diagnostic(severity=1, message="no", span=Span(0, 1), source="ty"),),
    trigger="cli",
)


def test_an_input_survives_json_and_msgpack() -> None:
    assert decode_dict(json.loads(json.dumps(encode_dict(SAMPLE)))) == SAMPLE
    assert decode_msgpack(encode_msgpack(SAMPLE)) == SAMPLE


def test_the_data_is_plain_and_names_its_schema() -> None:
    data = encode_dict(SAMPLE)
    assert data["schema"] == 1
    assert data["syntax_spans"] == [[0, 1], [0, 6]]
    assert data["events"][0]["new_span"] == [0, 1]


def test_unknown_fields_are_ignored_and_missing_ones_get_their_defaults() -> None:
    data = encode_dict(SAMPLE)
    data["future"] = {"a": 1}
    data["events"][0]["future"] = 1
    del data["diagnostics"], data["related_files"][0]["excerpts"][0]["symbol"]
    read = decode_dict(data)
    assert read.diagnostics == ()
    assert read.related_files[0].excerpts[0].symbol == ""
    assert read.events == SAMPLE.events


@pytest.mark.parametrize("schema", [None, 0, 2, 99, "1"])
def test_another_schema_is_an_error(schema: object) -> None:
    with pytest.raises(PromptError, match="schema"):
        decode_dict(encode_dict(SAMPLE) | {"schema": schema})


@pytest.mark.parametrize(
    "broken",
    [
        {"cursor_excerpt": 7},
        {"syntax_spans": [[1]]},
        {"syntax_spans": [["secret", 1]]},
        {"events": "secret"},
        {"trigger": "secret"},
        {"cursor_offset": "secret"},
    ],
)
def test_data_of_another_shape_is_an_error_that_tells_no_text(broken: dict[str, object]) -> None:
    with pytest.raises(PromptError) as caught:
        decode_dict(encode_dict(SAMPLE) | broken)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01", b"\x93\x01"])
def test_bytes_that_hold_no_input_are_an_error(data: bytes) -> None:
    with pytest.raises(PromptError):
        decode_msgpack(data)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=30))
def test_any_text_survives_lone_surrogates_included(text: str) -> None:
    sample = PromptInput(
        project="", path="a", cursor_excerpt=text, cursor_offset=len(text), excerpt_start_row=0
    )
    assert decode_msgpack(encode_msgpack(sample)) == sample
    assert decode_dict(json.loads(json.dumps(encode_dict(sample)))) == sample


def test_reading_the_module_loads_no_codec_library() -> None:
    code = "import sys, zeta_context.prompt.codec; print('cattrs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
