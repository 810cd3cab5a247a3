"""`python -m idol`."""

import sys

from idol.cli import main

if __name__ == "__main__":
    sys.exit(main())
