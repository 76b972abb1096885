variable "name_prefix" {
  description = "First part of every name, and the namespace of the functions' own metrics."
  type        = string
}

variable "region" {
  description = "Region of the metrics."
  type        = string
}

variable "function_names" {
  description = "Name of each function as AWS knows it, by the name of the stage."
  type        = map(string)
}

variable "log_group_names" {
  description = "Log group of each function, by the name of the stage."
  type        = map(string)
}

variable "queue_names" {
  description = "Work queues."
  type        = list(string)
}

variable "dead_letter_queue_names" {
  description = "Dead-letter queues."
  type        = list(string)
}

variable "table_name" {
  description = "The state table."
  type        = string
}

variable "bucket_name" {
  description = "The bucket."
  type        = string
}

variable "api" {
  description = "Name and stage of the API."
  type        = object({ name = string, stage = string })
}
