"""`python -m groundup` is `groundup`."""

import sys

from groundup.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
