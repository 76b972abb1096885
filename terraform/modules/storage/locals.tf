data "aws_partition" "current" {}

locals {
  # Spelled out, so that policies are known before the bucket exists.
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"
}
