"""`python -m countermark`: the same as the command `countermark`."""

from countermark.cli.main import main

if __name__ == "__main__":
    main(prog_name="countermark")
