"""Makes moto's DynamoDB, which LocalStack is run with, answer one request after another.

moto 5 serves requests in threads without a lock. A transaction whose condition fails there puts the
whole table back as it was when the transaction began, so it undoes what others wrote meanwhile, and
a copy that is made while others write ends in `dictionary changed size during iteration`. DynamoDB
isolates transactions. Python runs this file in each process that has this folder on its path; it
does nothing where that process is not moto's server.
"""

import importlib
import sys
import threading
from typing import Any

if any(argument.endswith("moto_server") for argument in sys.orig_argv):
    serving: Any = importlib.import_module("werkzeug.serving")
    run_simple = serving.run_simple

    def run_one_after_another(host: str, port: int, application: Any, **options: Any) -> None:
        """Serve an application that is never called twice at once."""
        is_called = threading.Lock()

        def call_alone(environ: Any, start_response: Any) -> Any:
            with is_called:
                return application(environ, start_response)

        run_simple(host, port, call_alone, **options)

    serving.run_simple = run_one_after_another
