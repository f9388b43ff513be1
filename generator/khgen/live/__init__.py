"""A cluster that runs, only read: its API through kubectl, and the certificates it serves.

`api_objects` and `cluster_report` are pure. `kubectl` runs a program, `served_certificates` opens
connections; neither changes anything in the cluster.
"""
