"""Export: rendered nodes as the files that a platform reads; no disk, no clock."""
