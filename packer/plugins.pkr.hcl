# The pinned plugins: `packer init` installs exactly these. Packer before 1.7 has the builders built in
# and does not know this block. So the block has its own file, which khgen leaves out there.
packer {
  required_version = ">= 1.7.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "= 1.8.2"
    }
    openstack = {
      source  = "github.com/hashicorp/openstack"
      version = "= 1.1.4"
    }
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "= 1.1.4"
    }
  }
}
