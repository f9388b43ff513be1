"""The disk: the only package that reads or writes the operator's files, except bake and rehearse.

khgen stages everything that it writes beside its place, under a lock, and swaps it in whole.
"""
