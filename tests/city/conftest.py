"""One whole city and one small town for all tests of this folder (three seconds together)."""

from datetime import UTC, datetime

import pytest

from deploy.city import town
from deploy.city.town import Town

UNTIL = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def whole() -> Town:
    return town.whole(UNTIL)


@pytest.fixture(scope="session")
def small() -> Town:
    return town.small(UNTIL)
