variable "bucket_name" {
  description = "Name of the one bucket."
  type        = string
}

variable "table_name" {
  description = "Name of the one DynamoDB table."
  type        = string
}

variable "force_destroy" {
  description = "Whether `destroy` may delete a bucket that still holds objects."
  type        = bool
}

variable "deletion_protection_enabled" {
  description = "Whether DynamoDB refuses to delete the table."
  type        = bool
}

variable "lifecycle_rules" {
  description = "Days after which old versions and unfinished uploads go; null sets no rules."
  type = object({
    noncurrent_version_days = number
    unfinished_upload_days  = number
  })
}
