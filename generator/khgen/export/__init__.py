"""Export: what was rendered, as the files and lines that a platform takes; no disk, no clock."""
