"""Which protocol is spoken, and the command that mends a mismatch."""

from zeta_context.installation import find_installation
from zeta_context.server.version import OLDEST_PROTOCOL, PROTOCOL_VERSION, describe_protocol


def test_the_versions_are_in_order() -> None:
    assert 1 <= OLDEST_PROTOCOL <= PROTOCOL_VERSION


def test_the_handshake_names_the_command_that_updates_this_installation() -> None:
    told = describe_protocol(["a"])
    assert told["update"] == find_installation().update_command()
    assert told["commands"] == ["a"]
