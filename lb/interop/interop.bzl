"""Tests of ballastd against other people's programs."""

def interop_test(name, src = None, args = [], size = "medium", data = []):
    """A Python script that makes namespaces; skips loudly where it may not."""
    native.sh_test(
        name = name,
        size = size,
        srcs = [src or name + ".py"],
        args = args,
        data = [
            "network.py",
            "//examples:ballastd",
        ] + data,
        tags = [
            "exclusive",
            "local",
            "no-sandbox",
            "noasan",
        ],
    )
