"""A secrets file that is missing although its cluster was rendered: never a reason for new CAs."""

from pathlib import Path

from khgen.disk.rendered_output import load_manifest
from khgen.disk.staging import MANIFEST
from khgen.pki.adopt import ADOPTED_FILES
from khgen.problems import Place, Problem, Problems

PKI = "/etc/kubernetes/pki"


def lost_secrets(spec: Path, cluster: str, secrets: Path, out: Path, held: str | None) -> Problems:
    """An error if `out`, which holds a render of the cluster `held`, came from a lost file.

    A cluster that cannot be told, for its manifest is damaged, may be this one.
    """
    if held not in {cluster, ""}:
        return Problems()
    what = f"cluster '{held}'" if held else "some cluster"
    problem = Problem(
        message=f"{out} holds a render of {what}, but its secrets file {secrets} is missing",
        place=Place(file=str(out / MANIFEST), line=1, column=1),
        hint=f"restore {secrets} from a copy{_adoption(spec, out)}; for a new cluster, remove"
        f" {out} or name another folder with -o",
    )
    return Problems.of([problem])


def _adoption(spec: Path, out: Path) -> str:
    """How the CAs can be had again, as far as they are in the output."""
    manifest = load_manifest(out).manifest
    nodes = {} if manifest is None else manifest.nodes
    lists = {} if manifest is None else manifest.file_lists
    for name, node in nodes.items():
        if {f"{PKI}/{file}" for file in ADOPTED_FILES} <= {*lists[node.file_list]}:
            return (
                f", or adopt its CAs: khgen show {name} -o {out} --write {name}-files,"
                f" then khgen secrets import {spec} {name}-files/rootfs{PKI}"
            )
    return f" (no node in {out} has all CA keys; khgen secrets import adopts them from elsewhere)"
