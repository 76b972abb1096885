"""`python -m services.cli` is `ultron`."""

import sys

from services.cli.main import main

sys.exit(main())
