# The variables that khgen sets: first those of every builder, then those of each one.
# `khgen image build --var` sets any. Conditions use regex_replace because Packer 1.6 has no regex.

variable "image_name" {
  type        = string
  description = "Name of the image and of its file."
  validation {
    condition     = regex_replace(var.image_name, "^[A-Za-z0-9][A-Za-z0-9._-]*$", "") == "" && var.image_name != ""
    error_message = "The image_name can have letters, digits, dots, dashes and underscores."
  }
}

variable "payload" {
  type        = string
  description = "Path of the archive with everything that goes into the image."
}

variable "report" {
  type        = string
  description = "Path for a copy of the image's /etc/khgen/image.json."
}

variable "ssh_username" {
  type        = string
  description = "The user that Packer logs in as: root, or a user of the base image with sudo."
  default     = "root"
}

variable "ssh_timeout" {
  type        = string
  description = "Time limit for the base image until Packer can log in, like 10m."
  default     = "10m"
  validation {
    condition     = regex_replace(var.ssh_timeout, "^([0-9]+[hms])+$", "") == "" && var.ssh_timeout != ""
    error_message = "The ssh_timeout is a duration like 90s, 10m or 1h."
  }
}

# --- qemu ---

variable "base_url" {
  type        = string
  description = "URL or path of the distribution's cloud image."
  default     = ""
}

variable "base_checksum" {
  type        = string
  description = "Its digest, as sha256:… or sha512:…; Packer refuses any other image."
  default     = ""
  validation {
    condition     = regex_replace(var.base_checksum, "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$", "") == ""
    error_message = "The base_checksum is sha256: or sha512: and the digest in hexadecimal."
  }
}

variable "output_directory" {
  type        = string
  description = "Folder that Packer creates for the disk; it must not exist."
  default     = "output"
}

variable "disk_size" {
  type        = string
  description = "Size of the image's disk; a machine's first boot grows the root file system to its own disk."
  default     = "8G"
  validation {
    condition     = regex_replace(var.disk_size, "^[0-9]+[MGT]$", "") == "" && var.disk_size != ""
    error_message = "The disk_size is a number with M, G or T."
  }
}

variable "disk_compression" {
  type        = bool
  description = "Whether the finished disk is compressed: it is smaller but takes longer."
  default     = true
}

variable "seed_files" {
  type        = list(string)
  description = "user-data and meta-data that let Packer log in, for a CD with the label cidata."
  default     = []
}

variable "ssh_private_key_file" {
  type        = string
  description = "The key whose public half is in the seed."
  default     = ""
}

variable "accelerator" {
  type        = string
  description = "kvm (Linux), hvf (macOS), or tcg: emulated, many times slower."
  default     = "kvm"
  validation {
    condition     = contains(["kvm", "hvf", "tcg"], var.accelerator)
    error_message = "The accelerator is one of kvm, hvf and tcg."
  }
}

variable "qemu_binary" {
  type        = string
  description = "QEMU's program."
  default     = "qemu-system-x86_64"
}

variable "qemu_cpu" {
  type        = string
  description = "QEMU's -cpu: host unless it is emulated. Rocky 9 needs x86-64-v2."
  default     = "host"
}

variable "cpus" {
  type        = number
  description = "Processors of the machine that bakes."
  default     = 2
}

variable "memory" {
  type        = number
  description = "Its memory in MiB."
  default     = 2048
  validation {
    condition     = var.memory >= 512
    error_message = "The memory is at least 512 MiB."
  }
}

variable "console_log" {
  type        = string
  description = "File for the output of the machine's serial console."
  default     = "/dev/null"
}

# --- amazon-ebs; the credentials come from the environment, as for the AWS CLI ---

variable "region" {
  type        = string
  description = "AWS region, like eu-central-1."
  default     = ""
}

variable "source_ami" {
  type        = string
  description = "The distribution's own AMI in that region."
  default     = ""
}

variable "instance_type" {
  type        = string
  description = "Instance type that bakes."
  default     = "t3.medium"
}

variable "subnet_id" {
  type        = string
  description = "Subnet to bake in; default: the default VPC's."
  default     = ""
}

# --- openstack; the cloud and the credentials come from the environment (OS_CLOUD, OS_*) ---

variable "source_image_name" {
  type        = string
  description = "Name of the distribution's image in Glance."
  default     = ""
}

variable "flavor" {
  type        = string
  description = "Flavor that bakes."
  default     = ""
}

variable "networks" {
  type        = list(string)
  description = "UUIDs of the networks to bake in."
  default     = []
}

variable "security_groups" {
  type        = list(string)
  description = "Security groups; they must let SSH in."
  default     = []
}

variable "floating_ip_network" {
  type        = string
  description = "Network of the floating address, if the bake needs one."
  default     = ""
}
