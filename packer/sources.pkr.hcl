# Where an image can be baked. Every source starts from a cloud image of the distribution.

source "qemu" "node" {
  disk_image       = true
  iso_url          = var.base_url
  iso_checksum     = var.base_checksum
  disk_size        = var.disk_size
  format           = "qcow2"
  use_backing_file = false
  disk_compression = var.disk_compression
  # The image has no blocks that clean.sh trims.
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"
  disk_interface     = "virtio-scsi"
  net_device         = "virtio-net"

  qemu_binary  = var.qemu_binary
  machine_type = "q35"
  accelerator  = var.accelerator
  cpus         = var.cpus
  memory       = var.memory
  headless     = true
  qemuargs = [
    ["-cpu", var.qemu_cpu],
    ["-serial", "file:${var.console_log}"],
  ]

  # NoCloud: cloud-init finds the CD by its label. q35 has its CD-ROM at SATA, but Debian 12's cloud
  # kernel has no driver for that. A virtio CD takes the name of a first virtio disk, so the disk is SCSI.
  cd_files        = var.seed_files
  cd_label        = "cidata"
  cdrom_interface = "virtio"

  boot_wait            = "1s"
  communicator         = "ssh"
  ssh_username         = var.ssh_username
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = var.ssh_timeout
  shutdown_command     = "systemctl poweroff"
  shutdown_timeout     = "10m"

  output_directory = var.output_directory
  vm_name          = "${var.image_name}.qcow2"
}

source "amazon-ebs" "node" {
  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  subnet_id     = var.subnet_id
  ami_name      = var.image_name
  communicator  = "ssh"
  ssh_username  = var.ssh_username
  ssh_timeout   = var.ssh_timeout
  tags = {
    Name         = var.image_name
    "khgen/base" = var.source_ami
  }
  run_tags = {
    Name = "khgen bakes ${var.image_name}"
  }
}

source "openstack" "node" {
  source_image_name   = var.source_image_name
  flavor              = var.flavor
  networks            = var.networks
  security_groups     = var.security_groups
  floating_ip_network = var.floating_ip_network
  image_name          = var.image_name
  communicator        = "ssh"
  ssh_username        = var.ssh_username
  ssh_timeout         = var.ssh_timeout
  metadata = {
    baked_by = "khgen"
  }
}
