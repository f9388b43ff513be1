"""What a change of the spec means for a running cluster, and what differs between two renders.

Two literal tables have the meanings: of the keys of cluster.yaml (`key_rules`), and of a node's files
(`file_rules`). `compare` applies both to two renders of a node; `page` makes docs/changes.md.
"""
