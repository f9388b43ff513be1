"""What a change of the spec means on a living cluster, and what differs between two renders.

Two literal tables say it: one for each key of cluster.yaml (`key_table`), one for each file of a node
(`file_rules`). `compare` applies both to two generations of a node; docs/changes.md is made of them.
"""
