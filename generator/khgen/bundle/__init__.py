"""Bundle: a node's files and steps as cloud-init user-data, meta-data and network-config."""
