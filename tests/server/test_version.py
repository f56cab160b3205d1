"""Which protocol is spoken, and the command that mends a mismatch."""

import pytest

from zeta_context.server.version import OLDEST_PROTOCOL, PROTOCOL_VERSION, update_command


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/u/.local/share/uv/tools/zeta-context", "uv tool upgrade zeta-context"),
        ("/home/u/.local/pipx/venvs/zeta-context", "pipx upgrade zeta-context"),
        ("/home/u/venv", "python -m pip install --upgrade zeta-context"),
    ],
)
def test_the_command_fits_how_it_was_installed(prefix: str, command: str) -> None:
    assert update_command(prefix) == command


def test_the_versions_are_in_order() -> None:
    assert 1 <= OLDEST_PROTOCOL <= PROTOCOL_VERSION
