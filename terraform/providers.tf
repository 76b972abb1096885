# The endpoint of a local AWS comes from AWS_ENDPOINT_URL, as for every AWS tool; only the way S3
# addresses a bucket must be said here.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.expected_account_id]
  s3_use_path_style   = var.endpoint_url != null

  default_tags {
    tags = merge({ project = "ultron-embeddings", deployment = var.name_prefix }, var.tags)
  }
}
