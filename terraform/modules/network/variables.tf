variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "region" {
  description = "Region, as it stands in the names of the endpoint services."
  type        = string
}

variable "cidr" {
  description = "Address range of the VPC, a /16 to /24."
  type        = string
}

variable "zone_count" {
  description = "Availability zones to spread over."
  type        = number
}

variable "interface_services" {
  description = "AWS services that the functions reach through an interface endpoint."
  type        = set(string)
}

variable "bucket_arn" {
  description = "The only bucket that the S3 endpoint lets through."
  type        = string
}

variable "table_arn" {
  description = "The only table that the DynamoDB endpoint lets through."
  type        = string
}
