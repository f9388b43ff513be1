"""One option for all tests that compare with recorded files."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """--record rewrites what is compared with; each such test then fails, so the diff is read."""
    parser.addoption("--record", action="store_true", help="rewrite expected files, then fail")
