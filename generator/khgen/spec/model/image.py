"""The golden image that nodes boot from, where khgen bakes one."""

from pydantic import Field

from khgen.spec.model.texts import DiskSize, FilePath, ImageChecksum, ImageName
from khgen.spec.model.values import SpecModel


class ImageBase(SpecModel):
    """The distribution's cloud image."""

    url: FilePath = Field(description="A URL, or a file beside this one")
    checksum: ImageChecksum = Field(description="sha256:… or sha512:…, from the distribution")


class ImageSpec(SpecModel):
    """A golden image that khgen bakes; `install` then says how the bake gets the programs."""

    base: ImageBase | None = Field(
        None, description="What is baked on; only clouds with images of their own need none"
    )
    disk_size: DiskSize = Field("8G", description="Size of the image's disk")
    preload: bool = Field(True, description="Pull kubeadm's own container images of this version")
    preload_images: tuple[ImageName, ...] = Field((), description="Further images to pull")
    preload_archives: tuple[FilePath, ...] = Field(
        (), description="Image archives beside this file, imported: no network is needed for them"
    )
