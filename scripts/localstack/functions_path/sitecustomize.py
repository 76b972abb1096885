"""Gives each function that LocalStack runs as a process of this machine its own /tmp.

localstack-host, 4.14.0: functions share the machine's /tmp, where AWS gives each environment its
own, and a function's TMPDIR alone is private. Python imports this module as it starts, before any
code of the function; the variables that name a folder below /tmp are pointed into TMPDIR.
"""

import os

_MACHINE_TMP = "/tmp/"  # noqa: S108 - the function's word for it
_OWN_TMP = os.environ["TMPDIR"]

for _name in ("MODEL_DIR", "WORK_DIR"):
    _folder = os.environ.get(_name, "")
    if _folder.startswith(_MACHINE_TMP):
        os.environ[_name] = f"{_OWN_TMP}/{_folder.removeprefix(_MACHINE_TMP)}"
