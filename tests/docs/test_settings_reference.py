"""The reference of settings is what the settings say."""

from tools.settings_reference import REFERENCE, collect, write_reference


def test_the_reference_is_not_stale() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == write_reference()


def test_every_setting_is_told_in_words() -> None:
    assert [one.key for one in collect() if not one.words] == []
