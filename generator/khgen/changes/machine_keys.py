"""What a change of each key of the machines means: system, containerd, programs, image, nodes."""

from khgen.changes.rules import Concerned, Effect, table

_NOTHING, _NEW, _RELOAD = Effect.NOTHING, Effect.NEW_MACHINE, Effect.RELOAD
_RESTART, _DRAIN, _REPLACE = Effect.RESTART, Effect.DRAIN, Effect.REPLACE
_ALL, _KUBERNETES = Concerned.EVERYONE, Concerned.KUBERNETES
_HOSTS, _ITSELF = Concerned.CONTAINER_HOSTS, Concerned.ITSELF

_SYSTEM = "A system does not change in place: replace the machines one by one."
_CLOUD_INIT = "cloud-init does it for a new instance: with a new seed and a reboot."
_CLOUD_INIT_AGAIN = "cloud-init takes a machine with a new seed for a new one: after a reboot it does all of it again."
_TIME = "The time program restarts with a new seed and a reboot."
_KERNEL = (
    "The settings come into force with a new seed and a reboot; one that was taken out goes back to"
    " the kernel's default."
)
_PREPARED = "A new seed and a reboot do it; unmanaged undoes nothing that was done."
_METADATA = "A new seed and a reboot set the rule; where the key is taken out, machines that are up keep it."
_ALIASES = "/etc/hosts is placed with a new seed and a reboot."
_INSTALLED = (
    "Programs that are installed stay. Leave the new seed for new machines: a machine that is up"
    " would install them again."
)
_REPOSITORY = "Programs that are installed stay; later installations use it."
_CONTAINERD = "containerd reads it with a new seed and a reboot."
_RUNTIME = "A new seed and a reboot install it: drain the node first."
_KUBELET = (
    "Machines that are up keep theirs: install it by hand, one minor version at a time, drained."
)
_TOOL = "Machines that are up keep theirs: install it by hand, or leave it to new machines."
_IMAGE = "Machines that are up keep their image: bake a new one for new machines."
_DELIVERY = "It only decides how user-data reaches a machine."
_CHECKED = "Only a render looks at it."
_NAME = "Another name is another node: khgen node remove for the old one; the new one joins."
_ROLE = "The machine has to start over with its new role: replace it."
_ADDRESS = (
    "Certificates, kubelet and etcd member hold the address: replace the machine. The others reload"
    " what names it."
)
_VIP_INTERFACE = "keepalived reads it again with a new seed and a reboot."
_NETWORK = "cloud-init sets the network up again with a new seed and a reboot."
_LABELS = "Kubelets register with them once: use kubectl label on nodes that are up."
_TAINTS = "Kubelets register with them once: use kubectl taint on nodes that are up."
_FLAGS = "kubeadm wrote the kubelet's flags once, when the node joined: replace the machine."
_CERTIFICATES = (
    "Its certificates are issued anew: they come into force with a new seed and a reboot."
)

MACHINE_KEYS = table(
    {
        "os.family": (_REPLACE, _ALL, _SYSTEM),
        "os.release": (_REPLACE, _ALL, _SYSTEM),
        "os.timezone": (_RELOAD, _ALL, _CLOUD_INIT),
        "os.timeSync.program": (_RESTART, _ALL, _TIME),
        "os.timeSync.pools": (_RESTART, _ALL, _TIME),
        "os.timeSync.servers": (_RESTART, _ALL, _TIME),
        "os.sysctl.profile": (_RESTART, _ALL, _KERNEL),
        "os.sysctl.extra": (_RESTART, _ALL, _KERNEL),
        "os.swap": (_RESTART, _HOSTS, _PREPARED),
        "os.selinux": (_RESTART, _ALL, _PREPARED),
        "os.firewall": (_RESTART, _ALL, _PREPARED),
        "os.blockMetadata": (_RESTART, _HOSTS, _METADATA),
        "os.hosts[].address": (_RELOAD, _ALL, _ALIASES),
        "os.hosts[].names": (_RELOAD, _ALL, _ALIASES),
        "os.packageMirror": (_NEW, _ALL, _REPOSITORY),
        "os.sshAuthorizedKeys": (_RELOAD, _ALL, _CLOUD_INIT),
        "containerd.version": (_DRAIN, _HOSTS, _RUNTIME),
        "containerd.sandboxImage": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].registry": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].endpoints": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].caFile": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].skipVerify": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.restrictOomScoreAdj": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.nerdctl": (_NEW, _HOSTS, _TOOL),
        "containerd.buildkit": (_RESTART, _HOSTS, _TOOL),
        "install.kubernetes": (_NEW, _KUBERNETES, _INSTALLED),
        "install.containerd": (_NEW, _HOSTS, _INSTALLED),
        "install.kubernetesRepository": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepository": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.sha256": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.path": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.text": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.sha256": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.path": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.text": (_NEW, _HOSTS, _REPOSITORY),
        "install.packageVersions.kubeadm": (_NEW, _KUBERNETES, _TOOL),
        "install.packageVersions.kubelet": (_DRAIN, _HOSTS, _KUBELET),
        "install.packageVersions.kubectl": (_NEW, _KUBERNETES, _TOOL),
        "install.artifacts.containerd.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.containerd.sha256": (_DRAIN, _HOSTS, _RUNTIME),
        "install.artifacts.runc.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.runc.sha256": (_DRAIN, _HOSTS, _RUNTIME),
        "install.artifacts.cniPlugins.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.cniPlugins.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.nerdctl.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.nerdctl.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.buildkit.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.buildkit.sha256": (_RESTART, _HOSTS, _TOOL),
        "install.artifacts.crictl.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.crictl.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.kubeadm.url": (_NEW, _KUBERNETES, _REPOSITORY),
        "install.artifacts.kubeadm.sha256": (_NEW, _KUBERNETES, _TOOL),
        "install.artifacts.kubelet.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.kubelet.sha256": (_DRAIN, _HOSTS, _KUBELET),
        "install.artifacts.kubectl.url": (_NEW, _KUBERNETES, _REPOSITORY),
        "install.artifacts.kubectl.sha256": (_NEW, _KUBERNETES, _TOOL),
        "install.architecture": (_REPLACE, _ALL, _SYSTEM),
        "image.base.url": (_NEW, _ALL, _IMAGE),
        "image.base.checksum": (_NEW, _ALL, _IMAGE),
        "image.diskSize": (_NEW, _ALL, _IMAGE),
        "image.preload": (_NEW, _ALL, _IMAGE),
        "image.preloadImages": (_NEW, _ALL, _IMAGE),
        "image.preloadArchives": (_NEW, _ALL, _IMAGE),
        "userData.datasource": (_NEW, _ALL, _DELIVERY),
        "userData.gzip": (_NEW, _ALL, _DELIVERY),
        "userData.maxBytes": (_NOTHING, _ALL, _CHECKED),
        "userData.extra": (_RELOAD, _ALL, _CLOUD_INIT_AGAIN),
        "nodes[].name": (_REPLACE, _ITSELF, _NAME),
        "nodes[].role": (_REPLACE, _ITSELF, _ROLE),
        "nodes[].address": (_REPLACE, _ITSELF, _ADDRESS),
        "nodes[].additionalAddresses": (_REPLACE, _ITSELF, _ADDRESS),
        "nodes[].interface": (_RELOAD, _ITSELF, _VIP_INTERFACE),
        "nodes[].network.prefixLength": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.gateway": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.nameservers": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.search": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.interface": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.macAddress": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].network.raw": (_RESTART, _ITSELF, _NETWORK),
        "nodes[].labels": (_NEW, _ITSELF, _LABELS),
        "nodes[].taints[].key": (_NEW, _ITSELF, _TAINTS),
        "nodes[].taints[].value": (_NEW, _ITSELF, _TAINTS),
        "nodes[].taints[].effect": (_NEW, _ITSELF, _TAINTS),
        "nodes[].kubeletExtraArgs": (_REPLACE, _ITSELF, _FLAGS),
        "nodes[].certSANs": (_RESTART, _ITSELF, _CERTIFICATES),
    }
)
"""In the order of docs/spec.md."""
