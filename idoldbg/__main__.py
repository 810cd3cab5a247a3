"""`python -m idoldbg`."""

from idoldbg.cli import main

if __name__ == "__main__":
    main()
