# The key is the content: an unchanged build plans no change, whenever and wherever it was built.
resource "aws_s3_object" "zip" {
  bucket = var.bucket_name
  key    = "artifacts/layers/${replace(replace(trimsuffix(var.zip.sha256_base64, "="), "/", "_"), "+", "-")}.zip"
  source = var.zip.path

  # S3 keeps at most ten tags of an object, and these say nothing that the bucket's do not.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# A layer version never changes; the new one comes before the old one goes, because functions
# still name the old one until they are updated.
resource "aws_lambda_layer_version" "this" {
  layer_name               = var.name
  s3_bucket                = aws_s3_object.zip.bucket
  s3_key                   = aws_s3_object.zip.key
  source_code_hash         = var.zip.sha256_base64
  compatible_runtimes      = [var.runtime]
  compatible_architectures = [var.architecture]

  lifecycle {
    create_before_destroy = true
  }
}
