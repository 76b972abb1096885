"""Powertools, set up once from the `POWERTOOLS_*` and `LOG_LEVEL` variables."""

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
tracer = Tracer()
metrics = Metrics()
