"""Floor 1, the ground: what every floor stands on and what knows nothing about language models.

Seven files: `errors` (how we say no), `config` (TOML to frozen dataclasses, strictly), `files` (writes that
survive a crash), `seeds` (named random streams), `log` (one event log, one progress bar), `rundir` (a run
directory that remembers what it is) and `device`. None imports torch before a function that needs it is
called.
"""
