"""What is applied to the cluster once it stands."""

from pydantic import Field

from khgen.spec.model.texts import FilePath, Sha256, ShortName, Url
from khgen.spec.model.values import SpecModel, WholeNumber


class Calico(SpecModel):
    """Calico from its published manifest: a pinned URL with digest, or a file beside the spec."""

    url: Url | None = Field(None, description="URL of the manifest")
    sha256: Sha256 | None = Field(None, description="Digest of the manifest at that URL")
    path: FilePath | None = Field(None, description="Manifest file, relative to cluster.yaml")
    typha: bool = Field(False, description="The manifest is the one with Typha (calico-typha.yaml)")
    typha_replicas: WholeNumber = Field(
        1, ge=1, le=20, description="Replicas of Typha, where it is used"
    )


class Manifest(SpecModel):
    """A manifest that the founders apply once."""

    name: ShortName = Field(description="What it is called, once in the list")
    url: Url | None = Field(None, description="URL of the manifest")
    sha256: Sha256 | None = Field(None, description="Digest of the manifest at that URL")
    path: FilePath | None = Field(None, description="File, relative to cluster.yaml")


class Addons(SpecModel):
    """What is applied to the cluster once it stands."""

    calico: Calico | None = Field(None, description="Calico as the network")
    manifests: tuple[Manifest, ...] = Field((), description="Further manifests, in this order")
