"""One command a module; each exports `command`.

Heavy packages are imported when a command runs, so that `--help` and completion are quick.
"""
