"""Floor 16, the roof: one command a file, heavy imports inside the command.

`main.py` holds the table of commands and turns errors into exit codes: 0 done, 2 the user's error, 1 our bug.
"""
