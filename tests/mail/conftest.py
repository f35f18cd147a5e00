"""What the tests of the mail leg may ask for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.mail.space import Space


@pytest.fixture
def space() -> Iterator[Space]:
    """Certificates and names of a trust space; files that want one for all of their tests make their own."""
    made = Space()
    yield made
    shutil.rmtree(made.directory)
