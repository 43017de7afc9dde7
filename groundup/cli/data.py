"""`groundup data`: see, fetch and check the text that groundup can read.

Next:    data/sources.py, where it is all written down.
"""

import argparse
import sys
import textwrap
import time


def main(argv: list[str]) -> int:
    """Run one `groundup data` command; returns the exit code. Raises UserError for what the user can mend."""
    arguments = _parser().parse_args(argv)
    return arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    from groundup.data.sources import GROUPS

    parser = argparse.ArgumentParser(
        prog="groundup data", description="Text that groundup can read, and its licences."
    )
    commands = parser.add_subparsers(required=True, metavar="list | get | check")
    listing = commands.add_parser("list", help="every source with its licence, and whether it is here")
    listing.set_defaults(run=_list)
    getting = commands.add_parser("get", help="fetch sources or groups into the cache, checking their hashes")
    getting.add_argument(
        "names", nargs="+", metavar="NAME", help=f"a source, or a group: {', '.join(GROUPS)}"
    )
    getting.set_defaults(run=_get)
    checking = commands.add_parser("check", help="read everything in the cache and compare its hashes")
    checking.add_argument("names", nargs="*", metavar="NAME", help="sources or groups; all if none is named")
    checking.set_defaults(run=_check)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    from groundup.data.fetch import kept_path, local_copy
    from groundup.data.sources import GROUPS, SOURCES

    for source in SOURCES.values():
        here = source.kind == "stdlib" or local_copy(source) is not None or kept_path(source).is_file()
        marks = ["default" if source.default else "on request"]
        marks += ["evaluation only"] if source.evaluation_only else []
        marks += ["part of Python" if source.kind == "stdlib" else f"{source.size / 1e6:.1f} MB"]
        marks += ["" if source.kind == "stdlib" else "here" if here else "not fetched"]
        read = f"read in {source.licence_where}" if source.licence_read else "NOBODY READ IT"
        print(f"{source.name}  ({', '.join(filter(None, marks))})")
        print(_indented(source.what))
        print(_indented(f"licence: {source.licence}  [{read}]"))
    print("\ngroups:")
    for group, members in GROUPS.items():
        print(_indented(f"{group}: {', '.join(members)}"))
    return 0


def _get(arguments: argparse.Namespace) -> int:
    from groundup.data.fetch import archive
    from groundup.data.sources import expand

    wanted = expand(arguments.names)
    for number, source in enumerate(wanted, start=1):
        start = time.monotonic()
        if source.kind == "stdlib":
            outcome = "part of Python, nothing to fetch"
        else:
            path = archive(source, say=lambda line: print(f"      {line}", file=sys.stderr, flush=True))
            outcome = f"{path}  ({time.monotonic() - start:.1f} s)"
        print(f"[{number}/{len(wanted)}] {source.name}: {outcome}", flush=True)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """Exit code 2 if a file has the wrong hash, or a source that was named is not here."""
    from groundup.data.fetch import state
    from groundup.data.sources import SOURCES, expand

    bad = []
    for source in expand(arguments.names) if arguments.names else SOURCES.values():
        found = state(source)
        print(f"{source.name:20} {found}")
        if found.startswith("wrong hash") or (arguments.names and found == "not fetched"):
            bad.append(source.name)
    if bad:
        print(f"\nFetch again what is not whole: groundup data get {' '.join(bad)}", file=sys.stderr)
    return 2 if bad else 0


def _indented(text: str) -> str:
    return textwrap.fill(text, width=100, initial_indent="    ", subsequent_indent="        ")
