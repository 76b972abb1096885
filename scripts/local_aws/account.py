"""The account that a local AWS pretends to be; it needs no package, as all tests import it."""

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
# A local AWS takes any credentials; these are the customary ones.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
