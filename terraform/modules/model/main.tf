locals {
  description = jsondecode(file("${var.directory}/model.json"))
  identity    = local.description.identity
  prefix      = "models/${local.identity.id}/${local.identity.revision}/"

  # model.json is not among the files it lists.
  sha256_by_name = merge(
    { for file in local.description.files : file.name => file.sha256 },
    { "model.json" = filesha256("${var.directory}/model.json") },
  )
}

resource "aws_s3_object" "file" {
  for_each = local.sha256_by_name

  bucket      = var.bucket_name
  key         = "${local.prefix}${each.key}"
  source      = "${var.directory}/${each.key}"
  source_hash = each.value

  # S3 keeps at most ten tags of an object, and these say nothing that the bucket's do not.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  # Functions that still run with the old revision can load it until the new one is in place.
  lifecycle {
    create_before_destroy = true
  }
}
