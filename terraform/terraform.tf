terraform {
  required_version = ">= 1.9, < 2"

  # `terraform init -backend-config=path=…` says where; a backend_override.tf replaces it, see README.md.
  backend "local" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}
