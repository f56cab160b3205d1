import difflib
import random
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.errors import PatchError
from zeta_context.text.diff import split_lines
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import (
    Patch,
    apply_hunks,
    apply_patch,
    edits_from_hunks,
    parse_patch,
    render_hunks,
    render_patch,
    render_region_diff,
    render_unified,
    reverse_hunks,
    reverse_patch,
)
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

LINE = st.sampled_from(
    ["a", "b", "c", "", " ", "-- x", "++ y", "@@ -1 +1 @@", "\\", "\\ No newline", "é👍", "r\r"]
)
TEXT = st.builds(
    lambda lines, end: "\n".join(lines) + (end if lines else ""),
    st.lists(LINE, max_size=25),
    st.sampled_from(["", "\n", "\r\n", "\r"]),
)
PATHS = ("f", "f")


def hunks_of(diff, *, strict=True):
    (file,) = parse_patch(diff, strict=strict).files
    return file.hunks


@settings(max_examples=400)
@given(TEXT, TEXT, st.integers(0, 4))
def test_a_rendered_diff_read_back_and_applied_gives_the_new_text(old, new, context):
    diff = render_unified(old, new, context)
    if old == new:
        assert diff == ""
        return
    for strict in (True, False):
        hunks = hunks_of(diff, strict=strict)
        assert apply_hunks(old, hunks) == new
        assert apply_hunks(TextSnapshot(old), hunks).text == new
        assert render_hunks(hunks) == diff
    assert apply_hunks(new, reverse_hunks(hunks)) == old
    assert reverse_hunks(reverse_hunks(hunks)) == hunks
    assert apply_hunks(old, hunks, search=True) == new


@given(TEXT, TEXT)
def test_a_diff_by_difflib_applies(old, new):
    lines = []
    for line in difflib.unified_diff(split_lines(old), split_lines(new), "a/f", "b/f"):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    patch = parse_patch("".join(lines), strict=True)
    assert apply_patch({"f": old}, patch)["f"] == new


@given(TEXT, TEXT)
def test_a_diff_has_no_more_changed_lines_than_difflib_finds(old, new):
    def changed(lines):
        return sum(line[0] in "+-" for line in lines)

    ours = (
        [line for hunk in hunks_of(render_unified(old, new))[:] for line in hunk.lines]
        if old != new
        else []
    )
    theirs = [line for line in difflib.ndiff(split_lines(old), split_lines(new)) if line[0] in "+-"]
    assert changed([line.op for line in ours]) <= changed(theirs)


def random_text(rng):
    words = [
        "alpha",
        "beta",
        "",
        "  gamma",
        "-- x",
        "++ y",
        "}",
        "win\r",
        "漢字",
        "\\ x",
        "--- a/f",
        "+++ b/f",
    ]
    lines = rng.choices(words, k=rng.randint(0, 40))
    return "\n".join(lines) + rng.choice(["", "\n", "\n", "\n"]) if lines else ""


def mutated(rng, text):
    lines = text.split("\n")
    for _ in range(rng.randint(0, 5)):
        at = rng.randint(0, len(lines))
        lines[at : at + rng.choice([0, 0, 1, 2, 6])] = random_text(rng).split("\n")[
            : rng.randint(0, 4)
        ]
    return "\n".join(lines)


def git(cwd, *arguments):
    return subprocess.run(
        ["git", "-c", "core.autocrlf=false", *arguments],
        cwd=cwd,
        capture_output=True,
        timeout=30,
        check=False,
    )


def write(path, text):
    path.write_bytes(text.encode())


NAMES = [
    "plain.txt",
    "with space.txt",
    "naïve 漢.txt",
    'quo"te\\.txt',
    "tab\there",
    "dir/deep/er.py",
]


def test_git_applies_what_is_rendered_and_both_agree_on_the_result(tmp_path):
    rng = random.Random(4)
    olds, news = {}, {}
    diff = ""
    for number in range(240):
        name = f"{number}/{rng.choice(NAMES)}"
        olds[name] = random_text(rng)
        news[name] = mutated(rng, olds[name])
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, olds[name])
        diff += render_unified(olds[name], news[name], rng.choice([1, 3, 3, 5]), (name, name))
    patch = parse_patch(diff, strict=True)
    assert render_patch(patch) == diff
    assert apply_patch(olds, patch) == news
    write(tmp_path / "p.diff", diff)
    result = git(tmp_path, "apply", "p.diff")
    assert result.returncode == 0, result.stderr
    assert {name: (tmp_path / name).read_bytes().decode() for name in news} == news
    assert git(tmp_path, "apply", "-R", "p.diff").returncode == 0
    assert apply_patch(news, reverse_patch(patch)) == olds


def test_what_git_diffs_is_read_and_applied(tmp_path):
    rng = random.Random(5)
    old_files, new_files = {}, {}
    for number in range(60):
        name = f"{number}/{rng.choice(NAMES)}"
        text = random_text(rng) + "".join(f"{number} body {i}\n" for i in range(30))
        kind = rng.choice(["change", "rename", "new", "delete", "same"])
        if kind != "new":
            old_files[name] = text
        if kind == "rename":
            new_files[f"moved {number}.txt"] = text + "end\n"
        elif kind != "delete":
            new_files[name] = mutated(rng, text) if kind == "change" else text
    for files in (old_files, new_files):
        git(tmp_path, "init", "-q")
        for path in [p for p in tmp_path.iterdir() if p.name != ".git"]:
            subprocess.run(["rm", "-r", str(path)], check=True)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            write(tmp_path / name, text)
        assert git(tmp_path, "add", "-A").returncode == 0
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        assert git(tmp_path, *identity, "commit", "-qm", "x").returncode == 0
    for style in (["-M"], ["--no-renames"], ["-M", "-U0"], ["-M", "-U10", "--patience"]):
        shown = git(tmp_path, "log", "-1", "-p", "--stat", *style).stdout.decode()
        patch = parse_patch(shown)
        assert apply_patch(old_files, patch) == new_files
        assert any(file.is_rename for file in patch.files) == ("-M" in style)
        assert parse_patch(render_patch(patch)) == patch
        assert apply_patch(new_files, reverse_patch(patch)) == old_files
    mail = git(tmp_path, "format-patch", "-1", "--stdout").stdout.decode()
    assert apply_patch(old_files, parse_patch(mail)) == new_files


def test_a_shifted_hunk_goes_where_git_puts_it(tmp_path):
    rng = random.Random(6)
    compared = 0
    for number in range(60):
        old = "".join(f"line {rng.randint(0, 12)}\n" for _ in range(40))
        lines = split_lines(old)
        at = rng.randint(8, 30)
        lines[at : at + 1] = [f"new {number}\n"]
        diff = render_unified(old, "".join(lines), paths=PATHS)
        shift = rng.choice([-3, -1, 0, 2, 5])
        head = ["extra\n"] * max(shift, 0)
        moved = "".join([*head, *split_lines(old)[max(-shift, 0) :]])
        write(tmp_path / "f", moved)
        write(tmp_path / "p", diff)
        if git(tmp_path, "apply", "p").returncode == 0:
            compared += 1
            ours = apply_hunks(moved, hunks_of(diff), search=True)
            assert ours == (tmp_path / "f").read_bytes().decode()
    assert compared > 50


def test_a_hunk_that_does_not_fit_is_named_without_its_text():
    hunks = hunks_of(render_unified("a\nb\nsecret\nd\n", "a\nb\nSECRET\nd\n"))
    for search in (False, True):
        with pytest.raises(PatchError, match=r"hunk 1 \(line 1\)") as caught:
            apply_hunks("a\nb\nother\nd\n", hunks, search=search)
        assert "secret" not in str(caught.value).lower()
    with pytest.raises(PatchError, match="line 3 is not what it expects"):
        apply_hunks("a\nb\nother\nd\n", hunks)
    with pytest.raises(PatchError, match="past the end of the text, which has 2"):
        apply_hunks("a\nb\n", hunks)


def test_hunks_out_of_order_do_not_apply():
    hunks = hunks_of("@@ -5,1 +5,1 @@\n-e\n+E\n@@ -1,1 +1,1 @@\n-a\n+A\n")
    with pytest.raises(PatchError, match=r"hunk 2 .* overlaps"):
        apply_hunks("a\nb\nc\nd\ne\n", hunks)


def test_searching_finds_the_nearest_place_and_carries_the_shift_on():
    hunks = hunks_of("@@ -2,2 +2,2 @@\n x\n-y\n+Y\n@@ -5,2 +5,2 @@\n x\n-y\n+Z\n")
    text = "1\n2\n3\nx\ny\n4\nx\ny\n5\nx\ny\n"
    assert apply_hunks(text, hunks, search=True) == "1\n2\n3\nx\nY\n4\nx\nZ\n5\nx\ny\n"


@pytest.mark.parametrize(
    ("diff", "result"),
    [
        (" a\n-foo\n+bar\n", "a\nbar"),
        (" a\n-foo\n+bar\n+baz\n", "a\nbar\nbaz"),
        (" a\n foo\n+bar\n", "a\nfoo\nbar"),
        ("-a\n foo\n", "foo"),
        (" a\n-foo\n", "a\n"),
    ],
)
def test_a_diff_that_forgot_the_missing_line_feed_fits_when_searching(diff, result):
    hunks = hunks_of("@@ -1,2 +1,2 @@\n" + diff, strict=False)
    assert apply_hunks("a\nfoo", hunks, search=True) == result
    with pytest.raises(PatchError):
        apply_hunks("a\nfoo", hunks)


def test_a_line_without_line_feed_amid_the_text_is_refused():
    hunks = hunks_of("@@ -1,1 +1,1 @@\n-a\n+A\n\\ No newline at end of file\n")
    with pytest.raises(PatchError, match="ends the text before its end"):
        apply_hunks("a\nb\n", hunks)


@pytest.mark.parametrize(
    "header", ["@@ -1,9 +1,9 @@", "@@ -1,1 +1,1 @@", "@@ -1 +1 @@", "@@ @@", "@@ ... @@"]
)
def test_wrong_counts_are_counted_again_unless_strict(header):
    diff = f"--- a/f\n+++ b/f\n{header}\n a\n-b\n+B\n c\n```\nthanks\n"
    patch = parse_patch(diff)
    assert apply_patch({"f": "a\nb\nc\n"}, patch, search=True) == {"f": "a\nB\nc\n"}
    assert patch.trailer == ("```\n", "thanks\n")
    with pytest.raises(PatchError, match="line 3"):
        parse_patch(diff, strict=True)


def test_too_large_counts_do_not_swallow_the_next_file():
    diff = (
        "--- a/f\n+++ b/f\n@@ -1,50 +1,50 @@\n-a\n+A\n--- a/g\n+++ b/g\n@@ -1,1 +1,1 @@\n-b\n+B\n"
    )
    result = apply_patch({"f": "a\n", "g": "b\n"}, parse_patch(diff))
    assert result == {"f": "A\n", "g": "B\n"}


def test_blank_lines_that_lost_their_space_are_context():
    assert apply_hunks("a\n\nb\n", hunks_of("@@ -1,3 +1,3 @@\n a\n\n-b\n+B\n")) == "a\n\nB\n"
    hunks = hunks_of("@@ -1,9 +1,9 @@\n a\n\n-b\n+B\n\n\n", strict=False)
    assert apply_hunks("a\n\nb\n", hunks) == "a\n\nB\n"


def test_the_same_file_may_be_changed_twice_and_remarks_stay_with_their_hunk():
    diff = (
        "remark\n--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n"
        "// about the next\n--- a/f\n+++ b/f\n// hunk remark\n@@ -1,1 +1,1 @@ def f():\n-b\n+c\n"
    )
    patch = parse_patch(diff, strict=True)
    assert [file.preamble for file in patch.files] == [("remark\n",), ("// about the next\n",)]
    assert patch.files[1].hunks[0].preamble == ("// hunk remark\n",)
    assert patch.files[1].hunks[0].section == "def f():"
    assert apply_patch({"f": "a\n"}, patch) == {"f": "c\n"}
    assert render_patch(patch) == diff


def test_a_deleted_comment_that_looks_like_a_header_is_a_line():
    old, new = "-- note\nx\n", "++ note\nx\n"
    diff = render_unified(old, new, 0, PATHS)
    assert diff.endswith("--- note\n+++ note\n")
    assert apply_patch({"f": old}, parse_patch(diff)) == {"f": new}


def test_crlf_content_keeps_its_carriage_returns():
    diff = render_unified("a\r\nb\r\n", "a\r\nB\r\n")
    assert diff == "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+B\r\n"
    assert apply_hunks("a\r\nb\r\n", hunks_of(diff)) == "a\r\nB\r\n"


def test_new_and_deleted_files_have_no_other_side():
    made = render_unified("", "x\n", paths=(None, "n"))
    assert made == "--- /dev/null\n+++ b/n\n@@ -0,0 +1,1 @@\n+x\n"
    patch = parse_patch(made, strict=True)
    assert apply_patch({}, patch) == {"n": "x\n"}
    assert apply_patch({"n": "x\n"}, reverse_patch(patch)) == {}
    with pytest.raises(PatchError, match="already a file"):
        apply_patch({"n": ""}, patch)
    with pytest.raises(PatchError, match="no such file"):
        apply_patch({}, reverse_patch(patch))


def test_a_diff_cut_off_before_its_last_line_feed_means_whole_lines():
    assert apply_hunks("a\n", hunks_of("@@ -1,1 +1,1 @@\n-a\n+b")) == "b\n"


@settings(max_examples=300)
@given(st.text(alphabet='@-+ ,01ab\n\r\\"/\t', max_size=80))
def test_no_text_makes_the_tolerant_parser_fail(text):
    patch = parse_patch("--- a/f\n+++ b/f\n" + text)
    assert isinstance(patch, Patch)
    assert parse_patch(text) is not None


@pytest.mark.parametrize(
    "name", ['"', '"\\', '"a\\8"', '"\\777"', '"a', "a\tb", '"\\303\\244.txt"']
)
def test_odd_names_are_read_without_failing(name):
    assert parse_patch(f"diff --git {name} {name}\n--- {name}\n+++ {name}\n").files


def test_quoted_names_are_read_as_git_means_them():
    (file,) = parse_patch('--- "a/\\303\\244 \\"q\\".txt"\n+++ "b/\\303\\244 \\"q\\".txt"\n').files
    assert (file.old_path, file.new_path) == ('ä "q".txt', 'ä "q".txt')


@settings(max_examples=300)
@given(st.data(), TEXT)
def test_a_region_diff_has_real_rows_and_gives_the_new_text(data, text):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    new_text = data.draw(TEXT)
    old = TextSnapshot(text)
    new = old.edit(Span(start, end), new_text)
    spans = Span(start, end), Span(start, start + len(new_text))
    diff = render_region_diff(old, new, *spans, marks_missing_newline=True)
    assert (diff == "") == (old.text == new.text)
    if diff:
        assert apply_edits(text, edits_from_hunks(text, hunks_of(diff))) == new.text
    context = data.draw(st.integers(0, 3))
    whole = render_region_diff(old, new, Span(0, len(old)), Span(0, len(new)), context)
    if not (text + new.text).strip("\r\n"):
        return
    plain = render_unified(whole_lines(text), whole_lines(new.text), context)
    assert whole.replace("-1,0", "-0,0").replace("+1,0", "+0,0") == plain or context == 0


def whole_lines(text):
    return text + "\n" if text and not text.endswith("\n") else text


def test_a_typed_word_gives_the_diff_of_the_reference_client():
    old = TextSnapshot("Hello!\n\nBye\n")
    new = old.edit(Span(7, 7), "How")
    diff = render_region_diff(old, new, Span(7, 7), Span(7, 10))
    assert diff == "@@ -1,3 +1,3 @@\n Hello!\n-\n+How\n Bye\n"


def test_a_region_diff_deep_in_a_file_shows_three_rows_around():
    old = TextSnapshot("".join(f"row {i}\n" for i in range(1000)))
    offset = old.row_start(500)
    new = old.edit(Span(offset, offset), "new\n")
    diff = render_region_diff(old, new, Span(offset, offset), Span(offset, offset + 4))
    assert diff == (
        "@@ -498,6 +498,7 @@\n row 497\n row 498\n row 499\n+new\n row 500\n row 501\n row 502\n"
    )


def test_typing_into_an_empty_document_and_ending_its_row():
    empty, typed = TextSnapshot(""), TextSnapshot("a")
    assert render_region_diff(empty, typed, Span(0, 0), Span(0, 1)) == "@@ -1,0 +1,1 @@\n+a\n"
    ended = typed.edit(Span(1, 1), "\n")
    assert render_region_diff(typed, ended, Span(1, 1), Span(1, 2)) == ""


def test_a_region_diff_reads_only_the_region():
    old = TextSnapshot("some row of text\n" * 100_000)
    offset = old.row_start(50_000)
    middle = old.edit(Span(offset, offset), "x").edit(Span(0, 0), "")
    new = middle.edit(Span(offset, offset + 1), "y")
    assert render_region_diff(middle, new, Span(offset, offset + 1), Span(offset, offset + 1))
    assert middle._text is None
    assert new._text is None
