"""TOML that reads back as what was put in."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from khgen.files.container_runtime import TomlValue, dump_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.lists(TEXTS)
TABLES: st.SearchStrategy[dict[str, TomlValue]] = st.recursive(
    st.dictionaries(TEXTS, SCALARS, max_size=4),
    lambda inner: st.dictionaries(TEXTS, SCALARS | inner, max_size=4),
    max_leaves=10,
)


@given(TABLES)
def test_dumped_values_read_back(table: dict[str, TomlValue]) -> None:
    assert tomllib.loads(dump_toml(table)) == table
