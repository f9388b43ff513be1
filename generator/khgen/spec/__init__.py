"""Spec: cluster.yaml as a typed model, loaded with a place for every value and checked across fields."""
