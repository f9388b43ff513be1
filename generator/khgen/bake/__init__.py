"""Golden images: Packer as a subprocess, with the static templates in packer/.

An I/O layer beside `publish`. A bake happens in a folder of its own beside its result, and the
result is moved into place when it is whole; what a failed or interrupted bake made is cleared.
"""
