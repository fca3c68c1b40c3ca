"""A gateway in front of a site's PACS, as hospitals have: a reverse proxy that gives an archive its habits over HTTP.

It is a process of its own, `python -m nodes.gateway CONFIG.json`, and there is one for each such site: so it imports
nothing but the standard library, and nothing else of the project.
"""
