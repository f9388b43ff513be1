"""Files: one module per program that a node runs, from the plan to the files of that program."""
