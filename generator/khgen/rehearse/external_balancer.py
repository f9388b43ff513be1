"""The external load balancer of a rehearsal: haproxy on the bridge, as it is not ours to render."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from khgen.plan.cluster_plan import API_SERVER_PORT, Plan, host_port
from khgen.rehearse.local_host import Ground

CONFIGURATION = """
defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
frontend api
  bind {bind} v4v6
  default_backend control-planes
backend control-planes
  option httpchk GET /readyz
  default-server check check-ssl verify none inter 1s fall 2 rise 1
{servers}
"""


def external_balancer(ground: Ground, plan: Plan) -> AbstractContextManager[None]:
    """The balancer, while it is needed: nothing where the cluster brings its own."""
    return nullcontext() if plan.endpoint.vip is not None else _running(ground, plan)


@contextmanager
def _running(ground: Ground, plan: Plan) -> Iterator[None]:
    folder = ground.folder / "balancer"
    folder.mkdir()
    (folder / "haproxy.cfg").write_text(_configuration(plan), encoding="utf-8")
    # Seen in the room alone: the hosts' overlays do not look into what is mounted there.
    ground.room.run("mount", "--bind", folder, ground.rootfs / "mnt")
    command = ["chroot", str(ground.rootfs), "haproxy", "-db", "-f", "/mnt/haproxy.cfg"]
    process = ground.room.start(command, folder / "log")
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _configuration(plan: Plan) -> str:
    servers = "\n".join(
        f"  server {node.name} {host_port(node.address, API_SERVER_PORT)}"
        for node in plan.control_planes
    )
    return CONFIGURATION.format(bind=f":::{plan.endpoint.port}", servers=servers)
