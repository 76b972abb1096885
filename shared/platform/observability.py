"""Powertools, set up once from the `POWERTOOLS_*` and `LOG_LEVEL` variables.

What knows no cloud, such as the index, logs through the standard library, below the name `shared`;
from here on that goes the way of the other log lines.
"""

import logging

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

logger = Logger()
tracer = Tracer()
metrics = Metrics()

library_logger = logging.getLogger("shared")
"""Where the log records of what knows no cloud arrive."""

copy_config_to_registered_loggers(logger, include={library_logger.name})
