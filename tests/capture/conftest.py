"""Records as an editor would make them."""

from __future__ import annotations

import pytest

from tests.capture.records import make_example
from zeta_context.capture.example import Example


@pytest.fixture
def example() -> Example:
    return make_example()
