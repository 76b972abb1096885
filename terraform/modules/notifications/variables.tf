variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "account_id" {
  description = "The account, whose alarms may send to the topic."
  type        = string
}

variable "emails" {
  description = "Addresses that receive what is sent to the topic."
  type        = set(string)
}

variable "monthly_budget_usd" {
  description = "What the deployment may cost a month before an e-mail says so; null makes no budget."
  type        = number
}
