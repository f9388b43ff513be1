"""The folders of data files, in a checkout and in an installed wheel."""

from pathlib import Path


def resource_folder(name: str) -> Path:
    """The folder `templates`, `packer` or `examples`: inside the wheel, or at the checkout's top."""
    package = Path(__file__).resolve().parent
    return next(p for p in (package / "_data" / name, package.parents[1] / name) if p.is_dir())
