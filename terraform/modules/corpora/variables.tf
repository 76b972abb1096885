variable "name_prefix" {
  description = "First part of every name."
  type        = string
}

variable "corpora" {
  description = "Corpus documents by name, as `shared/models/corpus.py` reads them, without `name`."
  type        = any
}

variable "secret_names" {
  description = "Names of the source secrets, below `<name_prefix>/sources/`."
  type        = set(string)
}

variable "secret_values" {
  description = "Secret documents by name; a secret without one gets no version."
  type        = map(string)
  sensitive   = true
}

variable "secret_recovery_window_days" {
  description = "Days for which a deleted secret can be restored; 0 deletes at once."
  type        = number
}
