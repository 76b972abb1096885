"""AWS list prices, us-east-1, US dollars, without free tiers and discounts for volume.

From the public price pages of the services, as they stood in November 2025. Check them before a
decision hangs on them.
"""

PRICED_AT = "November 2025"
REGION = "us-east-1"

_MILLION = 1_000_000.0

LAMBDA_ARM64_GB_SECOND = 0.0000133334
LAMBDA_REQUEST = 0.20 / _MILLION
# Of /tmp beyond the 512 MB that are free.
LAMBDA_STORAGE_GB_SECOND = 0.0000000309
API_GATEWAY_REST_REQUEST = 3.50 / _MILLION
SQS_REQUEST = 0.40 / _MILLION
S3_PUT = 0.005 / 1000.0
S3_GET = 0.0004 / 1000.0
S3_GB_MONTH = 0.023
DYNAMODB_WRITE_UNIT = 0.625 / _MILLION
DYNAMODB_READ_UNIT = 0.125 / _MILLION
DYNAMODB_GB_MONTH = 0.25
# Point-in-time recovery, which the table has on.
DYNAMODB_BACKUP_GB_MONTH = 0.20
LOGS_GB = 0.50
TRANSFER_OUT_GB = 0.09
