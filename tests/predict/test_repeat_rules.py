"""What the parts of the repeat proposer make of single lines, diffs and words."""

from __future__ import annotations

import pytest

from zeta_context.predict.proposers.repeat.changes import Change, parse_runs
from zeta_context.predict.proposers.repeat.learning import learn_rules
from zeta_context.predict.proposers.repeat.matching import Reach, find_sites, restyle
from zeta_context.predict.proposers.repeat.page import Page
from zeta_context.predict.proposers.repeat.rules import (
    AnyRule,
    BlockRule,
    TemplateRule,
    TokenRule,
    WordRule,
)
from zeta_context.predict.proposers.repeat.tokens import (
    comment_start,
    is_defining,
    is_quoted,
    read_line,
    split_words,
)


def make_change(old: str, new: str, *, above: str = "", below: str = "", row: int = 0) -> Change:
    return Change(
        row,
        tuple(old.splitlines()),
        tuple(new.splitlines()),
        tuple(above.splitlines()),
        tuple(below.splitlines()),
        0,
    )


def rewrite(rule: AnyRule, line: str) -> list[str]:
    """What the rule makes of a line, for each place that it fits."""
    sites = find_sites(Page(line), rule, Reach())
    assert sites is not None
    out = []
    for site in sites:
        text = line
        for start, end, new in reversed(site.spans):
            text = text[:start] + new + text[end:]
        out.append(text)
    return out


def learn(old: str, new: str, kind: type[AnyRule]) -> list[AnyRule]:
    return [rule for rule in learn_rules([make_change(old, new)]) if isinstance(rule, kind)]


def test_a_diff_is_split_into_its_runs_of_changed_lines() -> None:
    diff = "@@ -3,5 +3,6 @@\n a\n-b\n+B\n c\n d\n+e\n f\n"
    runs = parse_runs(diff)
    assert [(run.row, run.old, run.new) for run in runs] == [(3, ("b",), ("B",)), (6, (), ("e",))]
    assert runs[0].above == ("a",)
    assert runs[0].below == ("c", "d")
    assert runs[1].above == ("c", "d")


def test_a_diff_that_adds_to_an_empty_text_starts_at_its_first_row() -> None:
    assert [run.row for run in parse_runs("@@ -0,0 +1,2 @@\n+a\n+b\n")] == [0]


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("f(user)", "f(account)", "g(user, 1)", "g(account, 1)"),
        ("x: t.IO = y", "x: t.IO[str] = y", "a = t.IO", "a = t.IO[str]"),
        ("return 1  # noqa", "return 1", "x = 2  # noqa", "x = 2"),
        ('x: "Name" = 1', "x: Name = 1", 'def f(a: "Name"):', "def f(a: Name):"),
        ("call(a, b)", "call(b)", "call(a, c)", "call(c)"),
        ("old()", "await old()", "x = old()", "x = await old()"),
    ],
)
def test_a_token_rule_keeps_the_white_space_of_the_place(
    old: str, new: str, line: str, expected: str
) -> None:
    rules = learn(old, new, TokenRule) + learn(old, new, TemplateRule)
    assert expected in [text for rule in rules for text in rewrite(rule, line)]


def test_a_template_fills_its_holes_with_what_stands_at_the_place() -> None:
    (rule,) = learn("self.assertEqual(a, b)", "assert a == b", TemplateRule)
    assert rewrite(rule, "    self.assertEqual(len(x, y), 3)") == ["    assert len(x, y) == 3"]


def test_a_template_adds_an_argument_after_arguments_of_any_form() -> None:
    rules = learn("x = open(path, mode)", "x = open(path, mode, encoding=None)", TemplateRule)
    made = [text for rule in rules for text in rewrite(rule, "with open(f(1)) as g:")]
    assert made == ["with open(f(1), encoding=None) as g:"]


def test_a_template_of_a_call_keeps_to_the_place_of_the_argument() -> None:
    call, *_ = learn("ramp(20, 600, 240)", "ramp(20, 600, minutes=240)", TemplateRule)
    assert rewrite(call, "ramp(f(1, 2), 90, 30)") == ["ramp(f(1, 2), 90, minutes=30)"]
    assert rewrite(call, "ramp(1, 2)") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("append(out, user.town)", "append(out, user.town, len(user.town))"),
        ("append(log, other.town)", "append(log, other.town, len(other.town))"),
        ("append(out, user.name)", "append(out, user.name, len(user.name))"),
        ("append(out, town)", "append(out, town, len(user.name))"),
    ],
)
def test_an_added_text_follows_the_names_of_its_line_where_it_is_built_alike(
    line: str, expected: str
) -> None:
    rules = learn("append(out, user.name)", "append(out, user.name, len(user.name))", TemplateRule)
    assert expected in [text for rule in rules for text in rewrite(rule, line)]


def test_an_added_name_that_stayed_while_the_lines_differed_stays() -> None:
    changes = [
        make_change("send(user)", "send(user, to=user)"),
        make_change("send(admin)", "send(admin, to=user)"),
    ]
    made = {
        text
        for rule in learn_rules(changes)
        if isinstance(rule, TemplateRule)
        for text in rewrite(rule, "send(guest)")
    }
    assert made == {"send(guest, to=user)"}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("#define ROOM 4", "ROOM"),
        ("private final String title;", "title"),
        ("static int size(struct box *box, int depth)", "depth"),
        ("def f(count: int) -> None:", "count"),
        ("self.total = 0", "total"),
        ("val total = 0", "total"),
    ],
)
def test_a_name_is_defined_where_it_gets_its_meaning(line: str, name: str) -> None:
    tokens = read_line(line).tokens
    at = tokens.index(name)
    assert is_defining(tokens, at, at + 1)


@pytest.mark.parametrize("line", ["return total;", "x = total", "if not total:", "f(total)"])
def test_a_name_is_not_defined_where_it_is_used(line: str) -> None:
    tokens = read_line(line).tokens
    at = tokens.index("total")
    assert not is_defining(tokens, at, at + 1)


def test_a_place_that_already_reads_as_the_rule_would_make_it_is_no_place() -> None:
    (rule,) = learn("x = IO", "x = t.IO", TokenRule)[:1]
    assert rewrite(rule, "y = t.IO") == []


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("user", "account"),
        ("User", "Account"),
        ("USER", "ACCOUNT"),
        ("user_id", "account_id"),
        ("getUserName", "getAccountName"),
        ("USER_ID", "ACCOUNT_ID"),
    ],
)
def test_a_renamed_word_is_renamed_in_every_case_style(token: str, expected: str) -> None:
    (rule,) = learn("user = 1", "account = 1", WordRule)
    assert rewrite(rule, f"x({token})") == [f"x({expected})"]


def test_a_word_inside_another_word_is_not_renamed() -> None:
    (rule,) = learn("user = 1", "account = 1", WordRule)
    assert rewrite(rule, "superuser = users") == []


def test_several_words_take_the_style_of_the_name_they_come_into() -> None:
    assert restyle(("user", "account"), "user", "getUser_id") == "user_account"
    assert restyle(("user", "account"), "user", "userName") == "userAccount"
    assert restyle(("user", "account"), "User", "UserName") == "UserAccount"
    assert restyle(("user", "account"), "USER", "USER_ID") == "USER_ACCOUNT"


def test_inserted_lines_take_the_indentation_of_their_new_place() -> None:
    change = make_change("", "    b = 2\n    if b:\n        c()", above="    a = 1")
    rule = next(rule for rule in learn_rules([change]) if isinstance(rule, BlockRule))
    sites = find_sites(Page("def f():\n        a = 1\n        return\n"), rule, Reach())
    assert sites is not None
    (site,) = sites
    assert (site.row, site.end) == (2, 2)
    assert site.lines == ("        b = 2", "        if b:", "            c()")


def test_a_rule_that_fits_too_many_rows_says_nothing() -> None:
    (rule,) = learn("f(user)", "f(account)", TokenRule)
    assert find_sites(Page("f(user)\n" * 1000), rule, Reach()) is None


def test_beyond_its_reach_a_rule_is_looked_for_in_a_few_rows_only() -> None:
    (rule,) = learn("f(user)", "f(account)", TokenRule)
    sites = find_sites(Page("f(user)\n" * 1000), rule, Reach(500, 510))
    assert sites is not None
    rows = [site.row for site in sites]
    assert set(range(500, 550)) <= set(rows)
    assert len(rows) < 80


def test_compound_words_are_split_at_case_and_underscore() -> None:
    assert split_words("parseHTTPRequest_id2") == ("parse", "HTTP", "Request", "id", "2")


def test_comments_and_strings_are_told_from_code() -> None:
    assert comment_start("x = 1  # note") == 6
    assert comment_start("x = y // 2 if z else 1") <= len("x = y // 2 if z else 1")
    assert comment_start(" * @api public") == 0
    assert is_quoted('print("user", user)', 8)
    assert not is_quoted('print("user", user)', 15)
