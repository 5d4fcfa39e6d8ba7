"""``python -m pipeline``: what ``./iec4`` starts."""

import sys

from pipeline.cli import main

sys.exit(main(sys.argv[1:]))
