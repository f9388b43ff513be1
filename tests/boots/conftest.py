"""Boots are one after the other: two cores carry one cluster."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all boots to one process of pytest-xdist."""
    for item in items:
        if "tests/boots/" in str(item.path).replace("\\", "/"):
            item.add_marker(pytest.mark.xdist_group("boots"))
