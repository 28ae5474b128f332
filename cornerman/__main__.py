"""`python -m cornerman` is `cornerman`."""


def main() -> None:
    """Runs the command line."""
    from cornerman.cli import main as run

    run()


if __name__ == "__main__":
    main()
