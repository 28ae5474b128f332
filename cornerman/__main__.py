"""`python -m cornerman` is `cornerman`."""

from cornerman.cli import main

if __name__ == "__main__":
    main()
