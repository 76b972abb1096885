variable "name" {
  description = "Name of the layer."
  type        = string
}

variable "bucket_name" {
  description = "Bucket through which the zip reaches Lambda."
  type        = string
}

variable "zip" {
  description = "The zip and the base64 of its sha256, as `bundles.json` gives them."
  type = object({
    path          = string
    sha256_base64 = string
  })
}

variable "runtime" {
  description = "Lambda runtime that the layer is for."
  type        = string
}

variable "architecture" {
  description = "Instruction set that the layer is for."
  type        = string
}
