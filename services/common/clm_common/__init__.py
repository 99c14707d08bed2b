"""What the course services share: one worker interface, its command line and its HTTP service.

A service is a `Worker` and a `__main__.py` that hands it to `main`. It gets bytes and gives bytes;
files, permissions, time limits, child processes and HTTP are dealt with here, the same for all.
Standard library only, so that an image without pip can use it.
"""

from clm_common.cli import main
from clm_common.worker import (
    VERSION,
    Failure,
    InputError,
    Job,
    Option,
    Output,
    TimeLimit,
    UsageError,
    Worker,
    perform,
)

__all__ = [
    "VERSION",
    "Failure",
    "InputError",
    "Job",
    "Option",
    "Output",
    "TimeLimit",
    "UsageError",
    "Worker",
    "main",
    "perform",
]
