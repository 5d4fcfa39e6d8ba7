"""``python -m pipeline``: what ``./iec4`` starts."""

import signal
import sys

from pipeline.cli import main

# A shell's background job, and so a Jenkins step, starts with SIGINT ignored, and would hand
# that on to the runners, which end by it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
