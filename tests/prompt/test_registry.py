"""Prompt formats are found by name, alias or a part of one."""

import pytest

from zeta_context.errors import SettingsError
from zeta_context.prompt import registry
from zeta_context.prompt.format import Format, find_special_token
from zeta_context.prompt.formats.zeta2 import FORMAT
from zeta_context.prompt.registry import find_format, formats


@pytest.mark.parametrize(
    "name",
    [
        "V0211SeedCoder",
        "v0211seedcoder",
        "zeta2",
        "ZETA2",
        "V0331SeedCoderModelPy",
        "0211",
        " 0331 ",
    ],
)
def test_a_format_is_found_by_name_alias_or_part(name: str) -> None:
    assert find_format(name) is FORMAT


@pytest.mark.parametrize("name", ["", " ", "zeta9"])
def test_an_unknown_name_is_an_error_that_lists_the_names(name: str) -> None:
    with pytest.raises(SettingsError, match=r"is no prompt format: .*V0211SeedCoder \(zeta2"):
        find_format(name)


def test_a_part_of_several_names_is_an_error_but_a_whole_name_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other:
        name = "V0318SeedMultiRegions"
        aliases = ("zeta2.1",)

    both = (*formats(), Other())
    monkeypatch.setattr(registry, "formats", lambda: both)
    assert find_format("zeta2") is FORMAT
    with pytest.raises(SettingsError, match="fits several prompt formats"):
        find_format("seed")


def test_names_and_aliases_are_unique() -> None:
    names = [name.lower() for one in formats() for name in (one.name, *one.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("one", formats(), ids=lambda one: one.name)
def test_markers_that_must_be_one_token_are_special_tokens(one: Format) -> None:
    assert set(one.single_tokens) <= set(one.special_tokens)


def test_a_marker_with_a_line_feed_is_a_whole_row() -> None:
    tokens = ("<m>", "====\n")
    assert find_special_token("a\n====\nb", tokens) == "====\n"
    assert find_special_token("====", tokens) == "====\n"
    assert find_special_token("x====\n=====\n", tokens) is None
    assert find_special_token("x<m>y", tokens) == "<m>"
