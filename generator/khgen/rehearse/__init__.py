"""A cluster of local hosts: systemd, cloud-init and the rendered user-data on this machine (Linux).

An I/O layer beside `publish`. All that runs and is mounted lives in namespaces which end with
the process that made them; what namespaces do not hold (cgroups, disks) is cleared
at the end, or by the next rehearsal if this one was killed.
"""
