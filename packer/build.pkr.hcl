# One bake for every source; khgen picks one with -only.
build {
  sources = [
    "source.qemu.node",
    "source.amazon-ebs.node",
    "source.openstack.node",
  ]

  provisioner "shell" {
    execute_command = "if [ \"$(id -u)\" = 0 ]; then bash '{{ .Path }}'; else sudo -n bash '{{ .Path }}'; fi"
    script          = "${path.root}/provision/wait.sh"
  }

  provisioner "file" {
    source      = var.payload
    destination = "/var/tmp/khgen-payload.tar"
  }

  provisioner "shell" {
    execute_command = "if [ \"$(id -u)\" = 0 ]; then bash '{{ .Path }}'; else sudo -n bash '{{ .Path }}'; fi"
    scripts = [
      "${path.root}/provision/unpack.sh",
      "${path.root}/provision/steps.sh",
      "${path.root}/provision/preload.sh",
      "${path.root}/provision/record.sh",
    ]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/etc/khgen/image.json"
    destination = var.report
  }

  # Last: it removes the key that Packer logged in with.
  provisioner "shell" {
    execute_command = "if [ \"$(id -u)\" = 0 ]; then bash '{{ .Path }}'; else sudo -n bash '{{ .Path }}'; fi"
    script          = "${path.root}/provision/clean.sh"
  }
}
