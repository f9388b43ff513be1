"""khgen: one cluster.yaml becomes everything a highly available kubeadm cluster needs to build itself."""

__version__ = "0.1.0"
