"""Time synchronisation."""

from pathlib import Path

import pytest

from khgen.files.operating_system import time_sync_files
from khgen.plan.cluster_plan import NodeKind
from support.machine_specs import DEBIAN, ROCKY, machine_plan
from support.programs import assert_accepts, require_program

SOURCES = {"pools": ["pool.example.org"], "servers": ["192.0.2.1", "ntp.example.org"]}


@pytest.mark.parametrize(
    ("system", "path"), [(DEBIAN, "/etc/chrony/chrony.conf"), (ROCKY, "/etc/chrony.conf")]
)
def test_named_sources_replace_the_distributions(system: dict[str, object], path: str) -> None:
    plan = machine_plan(os={**system, "timeSync": SOURCES})
    (file,) = time_sync_files(plan, NodeKind.WORKER)
    assert str(file.path) == path
    sources = [line for line in file.content.splitlines() if line.endswith("iburst")]
    assert sources == [
        "server 192.0.2.1 iburst",
        "server ntp.example.org iburst",
        "pool pool.example.org iburst",
    ]


def test_timesyncd_takes_pools_as_servers() -> None:
    plan = machine_plan(os={**DEBIAN, "timeSync": {"program": "timesyncd", **SOURCES}})
    (file,) = time_sync_files(plan, NodeKind.WORKER)
    assert "NTP=192.0.2.1 ntp.example.org pool.example.org\n" in file.content


@pytest.mark.parametrize("sync", [{}, {"program": "unmanaged", **SOURCES}])
def test_nothing_is_written_without_need(sync: dict[str, object]) -> None:
    assert not time_sync_files(machine_plan(os={**DEBIAN, "timeSync": sync}), NodeKind.WORKER)


@pytest.mark.tools
def test_chronyd_reads_it(tmp_path: Path) -> None:
    chronyd = require_program("chronyd")
    plan = machine_plan(os={**DEBIAN, "timeSync": SOURCES})
    config = tmp_path / "chrony.conf"
    config.write_text(time_sync_files(plan, NodeKind.WORKER)[0].content)
    assert "pool.example.org" in assert_accepts([chronyd, "-p", "-f", config])
