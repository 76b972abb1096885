variable "bucket_name" {
  description = "Bucket that the functions load the model from."
  type        = string
}

variable "directory" {
  description = "Folder with `model.json` and the files it names."
  type        = string
}
