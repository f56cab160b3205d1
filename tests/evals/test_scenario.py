"""Scenarios: read and written in every format, undone and applied."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import EvalError
from zeta_context.evals.scenario import (
    ExpectedPatch,
    HistoryStep,
    Scenario,
    ScenarioFile,
    canonical_diff,
    digest_scenarios,
    texts_after,
    texts_before,
)
from zeta_context.evals.scenario_files import read_scenarios, write_scenarios
from zeta_context.evals.scenario_markdown import parse_markdown, render_markdown
from zeta_context.evals.scenario_rows import from_row, to_row
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput
from zeta_context.text.patch import parse_patch, render_unified
from zeta_context.text.point import Span

REFERENCE_FORM = """\
+++
repository_url = "https://github.com/acme/shop"
revision = "4f0c1d2"
+++

## Edit History

```diff
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -1,3 +1,3 @@
-def sum_of(items):
+def total(items):
     return sum(items)

--- a/shop/cart.py
+++ b/shop/cart.py
@@ -2,3 +2,4 @@ def total(items):
     return sum(items)

+
 def pay(items):
// User accepted prediction:
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -5,2 +5,2 @@
 def pay(items):
-    return charge(sum_of(items))
+    return charge(total(items))
```

## Cursor Position

```shop/cart.py
def total(items):
    return sum(items)


def pay(items):
    return charge(total(items))
#                      ^[CURSOR_POSITION]

def refund(items):
    return -sum_of(items)
```

## Expected Patch

```diff
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -7,3 +7,3 @@

 def refund(items):
-    return -sum_of(items)
+    return -total(items)
#                 ^[CURSOR_POSITION]
```

```diff
```
"""


def test_the_reference_pipelines_case_form_is_read() -> None:
    scenario = parse_markdown(REFERENCE_FORM, name="rename-sum")
    assert scenario.name == "rename-sum"
    assert scenario.repository_url == "https://github.com/acme/shop"
    assert scenario.path == "shop/cart.py"
    assert scenario.language == "python"
    assert scenario.text[scenario.cursor :].startswith("(items))\n\ndef refund")
    assert [step.predicted for step in scenario.history] == [False, False, True]
    assert texts_before(scenario)["shop/cart.py"] == (
        "def sum_of(items):\n    return sum(items)\n\ndef pay(items):\n"
        "    return charge(sum_of(items))\n\ndef refund(items):\n    return -sum_of(items)\n"
    )
    assert texts_before(scenario, steps=1)["shop/cart.py"].count("sum_of") == 2
    wanted, quiet = scenario.expected
    after = texts_after(scenario, wanted.diff)["shop/cart.py"]
    assert after.endswith("    return -total(items)\n")
    assert wanted.cursor is not None
    assert after[wanted.cursor :] == "(items)\n"
    assert quiet.is_quiet
    assert not scenario.is_quiet


def test_a_case_is_the_same_after_being_written_and_read_again() -> None:
    scenario = parse_markdown(REFERENCE_FORM, name="rename-sum")
    assert parse_markdown(render_markdown(scenario)) == scenario


def test_hunks_by_the_model_within_one_diff_are_steps_of_their_own() -> None:
    diff = (
        "--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,2 @@\n x = 1\n+y = 2\n"
        "// User accepted prediction:\n@@ -3,1 +4,2 @@\n z = 3\n+w = 4\n"
    )
    source = (
        f"## Edit History\n```diff\n{diff}```\n"
        "## Cursor Position\n```a.py\nx = 1\ny = 2\n<|user_cursor|>q\nz = 3\nw = 4\n```\n"
    )
    scenario = parse_markdown(source, name="steps")
    assert [step.predicted for step in scenario.history] == [False, True]
    assert "@@ -4,1 +4,2 @@" in scenario.history[1].diff
    assert texts_before(scenario)["a.py"] == "x = 1\nq\nz = 3\n"


@pytest.mark.parametrize(
    ("path", "mark"),
    [("a.rs", "//"), ("a.py", "#"), ("a.sql", "--"), ("a.el", ";"), ("a.tex", "%")],
)
def test_the_cursor_is_marked_by_a_comment_of_the_language(path: str, mark: str) -> None:
    scenario = Scenario(name="one", path=path, text="some words here\n", cursor=5)
    rendered = render_markdown(scenario)
    assert f"{mark}{' ' * (5 - len(mark))}^[CURSOR_POSITION]\n" in rendered
    assert parse_markdown(rendered) == scenario


def test_a_text_that_holds_a_mark_itself_keeps_it() -> None:
    text = "a = '<|user_cursor|>'\n# ^[CURSOR_POSITION]\n"
    scenario = Scenario(name="one", path="a.py", text=text, cursor=4)
    assert parse_markdown(render_markdown(scenario)) == scenario


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("# a\n", "one block under 'Cursor Position', has 0"),
        ("# a\n## Cursor Position\n```a.py\nx\n```\n", "nothing marks the cursor"),
        ("# a\n## Cursor Position\n```../a.py\n<|user_cursor|>\n```\n", "below the project's root"),
        ("+++\ntags = 3\n+++\n# a\n", "tags = 3"),
        ("+++\n= 3\n+++\n# a\n", "no TOML"),
        ("+++\nrevision = 'x'\n# a\n", "does not end"),
        ("+++\norigin = 'moon'\n+++\n# a\n", "origin is one of"),
    ],
)
def test_a_case_that_cannot_be_read_says_what_is_wrong(source: str, message: str) -> None:
    with pytest.raises(EvalError, match=message):
        parse_markdown(source, name="broken")


def test_a_history_that_does_not_lead_to_the_text_is_told_with_its_number() -> None:
    step = HistoryStep(diff="--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,1 @@\n-x\n+y\n")
    scenario = Scenario(name="one", path="a.py", text="z\n", cursor=0, history=(step,))
    with pytest.raises(EvalError, match="edit 1 of the history"):
        texts_before(scenario)


def test_an_excerpt_takes_patches_with_the_rows_of_the_whole_file() -> None:
    diff = "--- a/a.py\n+++ b/a.py\n@@ -101,2 +101,2 @@\n a\n-b\n+c\n"
    scenario = Scenario(name="one", path="a.py", text="a\nb\na\nb\n", cursor=0, start_row=98)
    assert texts_after(scenario, diff)["a.py"] == "a\nb\na\nc\n"


def test_a_file_made_in_the_history_is_empty_before_it() -> None:
    step = HistoryStep(diff="--- /dev/null\n+++ b/b.py\n@@ -0,0 +1,1 @@\n+y\n")
    other = ScenarioFile(path="b.py", text="y\n")
    scenario = Scenario(
        name="one", path="a.py", text="x\n", cursor=0, files=(other,), history=(step,)
    )
    assert texts_before(scenario) == {"a.py": "x\n", "b.py": ""}


_LINES = st.lists(st.text(alphabet="ab `#\\é日\t-+@", max_size=6), max_size=6)
_TEXTS = st.builds(
    lambda lines, end: "\n".join(lines) + ("\n" if end and lines else ""), _LINES, st.booleans()
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios whose history leads to their text and whose patches apply."""
    path = draw(st.sampled_from(["a.py", "dir/b file.rs", "c.sql"]))
    states = draw(st.lists(_TEXTS, min_size=1, max_size=4))
    text = states[-1]
    other = draw(_TEXTS)
    steps = [
        HistoryStep(
            diff=render_unified(old, new, paths=(path, path)), predicted=draw(st.booleans())
        )
        for old, new in pairwise(states)
        if old != new
    ]
    goal = draw(_TEXTS)
    diff = render_unified(text, goal, paths=(path, path))
    cursor = None
    if diff and draw(st.booleans()):
        # A patch shows the cursor only within its hunks.
        hunk = parse_patch(diff).files[0].hunks[0]
        if hunk.new_lines:
            cursor = sum(map(len, goal.splitlines(keepends=True)[: hunk.new_start]))
    return Scenario(
        name="one",
        path=path,
        text=text,
        cursor=draw(st.integers(0, len(text))),
        files=(ScenarioFile(path="other.txt", text=other),) if draw(st.booleans()) else (),
        history=tuple(steps),
        expected=(ExpectedPatch(diff=diff, cursor=cursor), ExpectedPatch(diff="")),
        rejected=render_unified(text, other, paths=(path, path)) or None,
        tags=("quiet",),
        origin="handwritten",
    )


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_any_case_survives_markdown_and_rows(scenario: Scenario) -> None:
    assert parse_markdown(render_markdown(scenario)) == scenario
    assert from_row(json.loads(json.dumps(to_row(scenario)))) == scenario


def test_rows_keep_the_prompt_input_as_it_was_collected() -> None:
    event = Event(
        project="p",
        path="a.py",
        diff="@@ -1 +1 @@\n-x\n+y\n",
        old_span=Span(0, 1),
        new_span=Span(0, 1),
    )
    prompt_input = PromptInput(
        project="p",
        path="a.py",
        cursor_excerpt="y\n",
        cursor_offset=1,
        excerpt_start_row=0,
        events=(event,),
    )
    scenario = Scenario(name="one", path="a.py", text="y\n", cursor=1, prompt_input=prompt_input)
    row = json.loads(json.dumps(to_row(scenario)))
    assert from_row(row | {"field_of_tomorrow": 1}) == scenario
    with pytest.raises(EvalError, match="schema is 2"):
        from_row(row | {"schema": 2})
    with pytest.raises(EvalError, match="a field of 'one' is wrong"):
        from_row(row | {"cursor": "1"})


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.parquet", "cases"])
def test_files_and_folders_of_cases_are_read_back(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    one = parse_markdown(REFERENCE_FORM, name="one")
    written = [one, replace(one, name="two")]
    path = tmp_path / name
    assert write_scenarios(path, written) == 2
    assert list(read_scenarios(path)) == written
    assert digest_scenarios(written) == digest_scenarios(reversed(written))
    assert digest_scenarios(written) != digest_scenarios([one, replace(one, name="2", cursor=0)])


def test_reading_names_the_line_and_refuses_doubles_and_nothing(tmp_path: Path) -> None:
    one = parse_markdown(REFERENCE_FORM, name="one")
    path = tmp_path / "cases.jsonl"
    row = json.dumps(to_row(one))
    path.write_text(f"{row}\n{row}\n")
    with pytest.raises(EvalError, match="already a scenario 'one'"):
        list(read_scenarios(path))
    path.write_text(f"{row}\n[]\n")
    with pytest.raises(EvalError, match=r"cases\.jsonl:2: no scenario"):
        list(read_scenarios(path))
    path.write_text("")
    with pytest.raises(EvalError, match="no scenario"):
        list(read_scenarios(path))


def test_a_canonical_diff_is_its_own_canonical_form() -> None:
    diff = "--- a/a\n+++ b/a\n@@ -1,1 +1,1 @@\n-x\n+y\n"
    assert canonical_diff(parse_patch(f"// why\n{diff}").files[0]) == diff
