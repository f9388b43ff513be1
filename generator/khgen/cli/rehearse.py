"""`khgen rehearse`: the cluster of a cluster.yaml, booted on this machine."""

from pathlib import Path

import click


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", help="Secrets file; only its list of founders is used.")
@click.option("--node", "names", multiple=True, help="Boot only this node; repeatable.")
@click.option(
    "--timeout",
    type=float,
    default=600,
    show_default=True,
    help="Seconds until all nodes must be done.",
)
@click.option("--keep", is_flag=True, help="Keep the hosts until ^C when all is done.")
@click.option(
    "--rootfs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Root directory of the hosts; default: a cached Debian.",
)
@click.option(
    "--kube-bin",
    "programs",
    envvar="KHGEN_KUBE_BIN",
    show_envvar=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with kubeadm, kubelet, kubectl and the kube-* programs.",
)
@click.option(
    "--cpus",
    type=click.FloatRange(min=0.01),
    help="Most processors for each host, like 0.66; default: all.",
)
@click.option("--consoles", type=click.Path(path_type=Path), help="Folder for the console logs.")
def rehearse(  # noqa: PLR0913 - one for each option
    *,
    spec: Path,
    secrets: str | None,
    names: tuple[str, ...],
    timeout: float,
    rootfs: Path | None,
    programs: Path | None,
    cpus: float | None,
    consoles: Path | None,
    keep: bool,
) -> None:
    """Boot the rendered nodes as local hosts (Linux, as root).

    They are systemd-nspawn containers with a network of their own and new keys; nothing is left.
    """
    from khgen.cli.rehearsing import RehearseRequest, run_rehearsal

    request = RehearseRequest(
        spec=spec,
        secrets=secrets,
        names=names,
        timeout=timeout,
        keep=keep,
        rootfs=rootfs,
        programs=programs,
        cpus=cpus,
        consoles=consoles,
    )
    run_rehearsal(request)
