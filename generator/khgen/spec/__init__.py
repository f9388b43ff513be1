"""Spec: cluster.yaml as a typed model, with the place of every value, and the checks across fields."""
