"""Run a script with nothing but the named folders on the path, besides Python's own library.

    python -I -S run_isolated.py '["FOLDER", …]' SCRIPT ARGUMENT…

`-I -S` leaves out the environment's paths, the working directory and site-packages, so that a
module which a bundle lacks is missing here as it is on Lambda.
"""

import json
import runpy
import sys

if __name__ == "__main__":
    folders, script = json.loads(sys.argv[1]), sys.argv[2]
    sys.path[:0] = folders
    sys.argv = sys.argv[2:]
    runpy.run_path(script, run_name="__main__")
