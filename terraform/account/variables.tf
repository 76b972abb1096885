variable "expected_account_id" {
  description = "The account to set this in: with credentials of another one, nothing is planned."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.expected_account_id))
    error_message = "expected_account_id must be the 12 digits of an AWS account; `make preflight` shows the one you are in."
  }
}

variable "region" {
  description = "Region to set this in; null takes AWS_REGION or the profile's."
  type        = string
  default     = null
}

variable "role_name" {
  description = "Name of the role; null makes it `api-gateway-log-<region>`."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the role, where the account requires one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}
