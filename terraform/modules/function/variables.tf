variable "name" {
  description = "Name of the function and of its log group, and first part of its role's."
  type        = string
}

variable "region" {
  description = "Region of the function, by which its role is named too."
  type        = string
}

variable "description" {
  description = "What the function does, in a sentence."
  type        = string
}

variable "handler" {
  description = "Python path of the handler."
  type        = string
}

variable "runtime" {
  description = "Lambda runtime."
  type        = string
}

variable "architecture" {
  description = "Instruction set."
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

variable "layer_arns" {
  description = "Layers, in the order in which Lambda lays them over each other."
  type        = list(string)
}

variable "memory_mb" {
  description = "Memory; it fixes the share of a processor too (1,769 MB is one)."
  type        = number
}

variable "timeout_seconds" {
  description = "Longest time one invocation may take."
  type        = number
}

variable "ephemeral_storage_mb" {
  description = "Size of /tmp."
  type        = number
}

variable "reserved_concurrency" {
  description = "Most environments at a time; null shares the account's."
  type        = number
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "statements" {
  description = "What the function may do, besides writing its own log."
  type = list(object({
    Sid       = string
    Action    = list(string)
    Resource  = list(string)
    Condition = optional(map(map(list(string))))
  }))
}

variable "role_path" {
  description = "Path of the role."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the role; null for none."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the function's log group, spelled out."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the log is kept."
  type        = number
}

variable "tracing_enabled" {
  description = "Whether X-Ray records the function."
  type        = bool
}

variable "snap_start_alias" {
  description = "Name of an alias of the newest published version, which then starts from a snapshot; null publishes no version."
  type        = string
  default     = null
}

variable "event_source" {
  description = "The queue that drives the function; null for none."
  type = object({
    queue_arn                       = string
    batch_size                      = number
    maximum_batching_window_seconds = number
    maximum_concurrency             = number
  })
}

variable "dead_letter_arn" {
  description = "Queue for asynchronous invocations that failed for good; null for none."
  type        = string
}

variable "vpc" {
  description = "Subnets and security groups to run in; null runs outside any VPC."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}
