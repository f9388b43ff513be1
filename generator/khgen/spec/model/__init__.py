"""The public schema of cluster.yaml: frozen pydantic models, camelCase, in kubeadm's words."""

from khgen.spec.model.cluster import ClusterSpec
from khgen.spec.model.machine import NodeRole, NodeSpec

__all__ = ["ClusterSpec", "NodeRole", "NodeSpec"]
