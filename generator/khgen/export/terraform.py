"""Variables for OpenTofu and Terraform: whatever provider makes the machines, it finds them there."""

import base64
import json

from khgen.export.rendered_machines import (
    Export,
    ExportCluster,
    ExportFile,
    ExportNode,
    mac_address,
)

VARIABLES = """\
# Written by khgen export terraform, which replaces it: the variables of khgen.auto.tfvars.json.

variable "khgen_cluster" {
  description = "The cluster's name and its version of Kubernetes."
  type        = object({ name = string, kubernetes = string })
}

variable "khgen_nodes" {
  description = "Every machine by its name. Nothing in here is secret, so for_each takes it."
  type = map(object({
    role        = string
    kind        = string
    address     = string
    addresses   = list(string)
    mac_address = string
    instance_id = string
  }))
}

variable "khgen_seeds" {
  description = "What each machine is given, by its name. It holds private keys."
  sensitive   = true
  type = map(object({
    user_data        = string
    user_data_base64 = string
    meta_data        = string
    network_config   = optional(string)
  }))
}
"""


def terraform_export(cluster: ExportCluster) -> Export:
    """The values, and the declarations of the variables that take them.

    Secrets are a variable of their own: for_each refuses what is sensitive.
    """
    values = {
        "khgen_cluster": {"name": cluster.name, "kubernetes": cluster.kubernetes},
        "khgen_nodes": {node.name: _facts(cluster, node) for node in cluster.nodes},
        "khgen_seeds": {node.name: _seed(node) for node in cluster.nodes},
    }
    text = json.dumps(values, indent=2) + "\n"
    return Export(
        files=(
            ExportFile(path="khgen.tf", content=VARIABLES.encode()),
            ExportFile(path="khgen.auto.tfvars.json", content=text.encode()),
        )
    )


def _facts(cluster: ExportCluster, node: ExportNode) -> dict[str, object]:
    return {
        "role": node.role,
        "kind": node.kind,
        "address": node.addresses[0],
        "addresses": list(node.addresses),
        "mac_address": mac_address(cluster, node),
        "instance_id": node.instance_id,
    }


def _seed(node: ExportNode) -> dict[str, str | None]:
    network_config = node.network_config
    return {
        "user_data": node.plain_user_data.decode(),
        # Gzipped, for providers that take bytes (user_data_base64, custom_data).
        "user_data_base64": base64.b64encode(node.gzipped_user_data).decode(),
        "meta_data": node.meta_data.decode(),
        "network_config": None if network_config is None else network_config.decode(),
    }
