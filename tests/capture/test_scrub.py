"""What names people is masked, letter by letter, and what only looks so is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.capture.scrub import mask_in_data, scrub_data, scrub_text


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("ada@lovelace.org", "xxx@xxxxxxxx.xxx"),
        ("+# ada@lovelace.org", "+# xxx@xxxxxxxx.xxx"),
        ("+ada.l+tag@mail.lovelace.co.uk,", "+xxx.x+xxx@xxxx.xxxxxxxx.xx.xx,"),
        ("git@github.com:x/y.git", "xxx@xxxxxx.xxx:x/y.git"),
        ("+@pytest.mark.parametrize", "+@pytest.mark.parametrize"),
        ("-@app.route('/')", "-@app.route('/')"),
        ("weights @ x.T", "weights @ x.T"),
        ("ada@example.org", "ada@example.org"),
        ("ada@mail.test", "ada@mail.test"),
        ("/home/ada/src", "/home/xxx/src"),
        ("file:///Users/ada/src", "file:///Users/xxx/src"),
        ("C:\\Users\\Ada\\x", "C:\\Users\\xxx\\x"),
        ("C:\\\\Users\\\\Ada\\\\x", "C:\\\\Users\\\\xxx\\\\x"),
        ("src/home/page.py", "src/home/page.py"),
    ],
)
def test_people_are_masked_and_nothing_else(text: str, scrubbed: str) -> None:
    assert scrub_text(text) == scrubbed


@given(st.text())
def test_a_text_keeps_its_length_and_lines(text: str) -> None:
    scrubbed = scrub_text(text)
    assert len(scrubbed) == len(text)
    assert scrubbed.splitlines() == [scrub_text(row) for row in text.splitlines()] or "@" in text


def test_every_text_in_data_is_reached_and_no_key() -> None:
    data = {"ada@lovelace.org": [{"x": ("ada@lovelace.org", 1, None)}]}
    assert scrub_data(data) == {"ada@lovelace.org": [{"x": ["xxx@xxxxxxxx.xxx", 1, None]}]}
    assert mask_in_data({"a": "x\nsecret\n"}, ["secret\n"]) == {"a": "x\nxxxxxx\n"}
