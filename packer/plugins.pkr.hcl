# The plugins, pinned: `packer init` installs exactly these. Packer before 1.7 has the builders inside
# and does not know this block, so the file stands alone: leave it out there, as khgen does.
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
