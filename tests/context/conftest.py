"""What the tests of the context share: the toy language server."""

from tests.lsp.conftest import MakeToy, toy

__all__ = ["MakeToy", "toy"]
