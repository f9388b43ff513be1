"""`python -m khgen`, the same program as the `khgen` command."""

from khgen.cli import main

if __name__ == "__main__":
    main()
