"""The table of distributions: every row is whole, and every release renders."""

import pytest

from khgen.facts.distributions import DEB, DISTRIBUTIONS, RPM, Distribution, OsFamily, distribution
from khgen.files.operating_system import package_files
from khgen.plan.cluster_plan import NodeKind
from support.machine_specs import machine_plan


def test_each_family_has_a_release_and_each_release_stands_once() -> None:
    rows = [(row.family.name, row.release) for row in DISTRIBUTIONS]
    assert len(set(rows)) == len(rows)
    assert {name for name, _ in rows} == set(OsFamily)


@pytest.mark.parametrize("row", DISTRIBUTIONS, ids=lambda row: f"{row.family.name}-{row.release}")
def test_a_row_has_what_its_package_format_needs(row: Distribution) -> None:
    named = (row.codename, row.family.archive_components)
    assert all(named) if row.family.package_format is DEB else not any(named)


@pytest.mark.parametrize("row", DISTRIBUTIONS, ids=lambda row: f"{row.family.name}-{row.release}")
def test_repositories_are_those_of_the_release(row: Distribution) -> None:
    system = {"family": row.family.name.value, "release": row.release}
    listing, *_ = package_files(machine_plan(os=system), NodeKind.WORKER)
    assert listing.path == row.family.package_format.repository_list
    docker = f"https://download.docker.com/linux/{row.family.docker_name}"
    if row.family.package_format is RPM:
        assert f"baseurl={docker}/{row.release}/$basearch/stable\n" in listing.content
    else:
        assert f"docker.asc] {docker} {row.codename} stable\n" in listing.content


def test_a_release_that_is_in_no_row_is_an_error() -> None:
    with pytest.raises(LookupError, match="no facts about rhel 10"):
        distribution(OsFamily.RHEL, "10")
