"""The tables of flags, gates and images are those of the real programs."""

import re

import pytest

from khgen.facts.component_flags import FLAGS
from khgen.facts.feature_gates import GATES
from khgen.plan.cluster_plan import build_plan, founders_of
from khgen.plan.upgrade import hop_images, spec_at
from support.kubernetes import kube_bin, kubeadm_version
from support.programs import run
from support.topologies import cluster

pytestmark = pytest.mark.kubernetes
OF_CLOUD_PROVIDERS = frozenset(
    {
        "azure-container-registry-config",
        "cloud-provider-gce-l7lb-src-cidrs",
        "cloud-provider-gce-lb-src-cidrs",
    }
)
"""A build with the tag `providerless` lacks them."""


def help_of(component: str) -> str:
    program = kube_bin() / component
    if not program.exists():
        pytest.skip(f"no {component} in KHGEN_KUBE_BIN")
    return run([program, "--help"]).stdout


@pytest.mark.parametrize("component", FLAGS)
def test_the_table_has_every_flag_of_the_help(component: str) -> None:
    found = set(re.findall(r"^\s+(?:-\w, )?--([\w-]+)", help_of(component), re.MULTILINE))
    assert len(found) > 50
    assert found <= FLAGS[component].of(kubeadm_version().minor)


@pytest.mark.parametrize("component", FLAGS)
def test_the_component_takes_every_flag_of_the_table(component: str) -> None:
    shown = help_of(component)
    hidden = {
        flag
        for flag in FLAGS[component].of(kubeadm_version().minor) - OF_CLOUD_PROVIDERS
        if not re.search(rf"--{flag}[\s=]", shown)
    }
    refused = set()
    for flag in hidden:
        done = run([kube_bin() / component, f"--{flag}=1", "--version"])
        if "unknown flag" in done.stdout + done.stderr:
            refused.add(flag)
    assert refused == set()


@pytest.mark.parametrize("component", FLAGS)
def test_the_table_has_every_gate_of_the_help(component: str) -> None:
    found = set(re.findall(r"\b([A-Z]\w+)=true\|false", help_of(component)))
    assert len(found) > 50
    assert found <= GATES.of(kubeadm_version().minor)


def test_the_images_are_those_that_kubeadm_lists() -> None:
    version = kubeadm_version()
    listed = run(
        [kube_bin() / "kubeadm", "config", "images", "list", "--kubernetes-version", version.tag]
    )
    spec = spec_at(cluster({"cp": 1}), version)
    assert set(listed.stdout.split()) == set(hop_images(build_plan(spec, founders_of(spec))))
