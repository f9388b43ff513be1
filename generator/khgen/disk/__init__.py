"""The disk: the only rooms that read or write the operator's files, but for a bake and a rehearsal.

Everything that khgen writes is staged beside its place, under a lock, and swapped in whole.
"""
