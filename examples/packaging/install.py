#!/usr/bin/env python3
"""Installs the library, its headers, ballastd and ballastctl.

    ./bazelw run //:install -- --prefix=DIR

PREFIX/bin               ballastd, ballastctl
PREFIX/include/ballast   the headers of the library's interface
PREFIX/lib               libballast.a; ballast.pc; a package for CMake
PREFIX/share             manual pages, documents, examples

What is installed names no folder: it can be moved as a whole. With DESTDIR in
the environment everything goes below that, for packages to be made of it. The
library links into executables; for one that links into shared objects too:
./bazelw run --force_pic //:install.
"""

import argparse
import json
import os
import re
import shutil
import sys

# Link flags that pkg-config has a module for, and of which Debian package.
MODULES = {"-lprotobuf": "protobuf", "-lre2": "re2", "-luring": "liburing"}
PACKAGES = {"absl": "libabsl-dev", "protobuf": "libprotobuf-dev",
            "re2": "libre2-dev", "uring": "liburing-dev",
            "ssl.so.0": "android-libboringssl-dev",
            "crypto.so.0": "android-libboringssl-dev"}
# What pkg-config adds to absl_base, for a static one.
INDIRECT = {"-Wl,--push-state,--as-needed", "-latomic", "-Wl,--pop-state",
            "-lrt"}
PACKAGING = "examples/packaging/"
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "LICENSE",
             "lb/config/ballast.proto"]


def fail(message):
    sys.exit("install: " + message)


def runfiles():
    """The tree that Bazel lays out beside this program, or has it in."""
    above = os.path.abspath(os.path.join(sys.argv[0], "../../.."))
    for folder in (sys.argv[0] + ".runfiles/ballast", os.getcwd(), above):
        if os.path.exists(os.path.join(folder, PACKAGING, "ballast.json")):
            return folder
    fail("run it with ./bazelw run //:install -- --prefix=DIR")


class Source:
    """What is to be installed: a tree of runfiles."""

    def __init__(self, root):
        self.root = root
        with open(self.path(PACKAGING + "ballast.json")) as facts:
            read = json.load(facts)
        self.headers = self.reachable(read["headers"])
        self.flags = list(dict.fromkeys(
            f for f in read["link_flags"] if f and f not in INDIRECT))

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def reachable(self, public):
        """`public` and what they include of this repository, sorted."""
        found, todo = set(), list(public)
        while todo:
            header = todo.pop()
            if header in found:
                continue
            if not os.path.exists(self.path(header)):
                fail(f"{header}: a public header that no library here has")
            found.add(header)
            included = re.findall(r'^#include "([^"]+)"', self.text(header),
                                  re.M)
            todo += [i for i in included if os.path.exists(self.path(i))]
        return sorted(found)


class Target:
    """Where it goes."""

    def __init__(self, prefix, destdir):
        self.root = destdir + prefix
        self.prefix = prefix
        self.count = 0

    def place(self, name, mode):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.remove(path)
        self.count += 1
        return path, mode

    def write(self, text, name, mode=0o644):
        path, mode = self.place(name, mode)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def copy(self, source, name, mode=0o644):
        path, mode = self.place(name, mode)
        shutil.copyfile(source, path)
        os.chmod(path, mode)


def install_library(source, target, version):
    target.copy(source.path(PACKAGING + "libballast.a"), "lib/libballast.a")
    for header in source.headers:
        target.copy(source.path(header), "include/ballast/" + header)

    modules, rest = [], []
    for flag in source.flags:
        if flag in MODULES:
            modules.append(MODULES[flag])
        elif flag.startswith("-labsl_"):
            modules.append(flag[2:])
        else:
            rest.append(flag)
    names = [f[2:].lstrip(":").removeprefix("lib") for f in source.flags
             if f.startswith("-l") and f != "-lpthread"]  # That is Threads.
    needed = "".join(
        f'  "{n}:{PACKAGES["absl" if n.startswith("absl_") else n]}"\n'
        for n in names)
    folders = [f[2:] for f in source.flags if f.startswith("-L")]
    values = {"VERSION": version, "REQUIRES": ", ".join(modules),
              "LIBS": " ".join(rest), "NEEDED": needed.rstrip("\n"),
              "FOLDERS": " ".join(folders),
              "OPTIONS": ";".join(
                  f for f in source.flags if not f.startswith(("-l", "-L")))}
    for template, name in (
            ("ballast.pc.in", "lib/pkgconfig/ballast.pc"),
            ("ballastConfig.cmake.in", "lib/cmake/ballast/ballastConfig.cmake"),
            ("ballastConfigVersion.cmake.in",
             "lib/cmake/ballast/ballastConfigVersion.cmake")):
        text = re.sub(r"@([A-Z]+)@", lambda m: values[m.group(1)],
                      source.text(PACKAGING + template))
        target.write(text, name)


def install_programs(source, target):
    for name in ("ballastd", "ballastctl"):
        target.copy(source.path("examples/" + name), "bin/" + name, 0o755)
    target.copy(source.path(PACKAGING + "ballastd.8"),
                "share/man/man8/ballastd.8")
    target.copy(source.path(PACKAGING + "ballastctl.8"),
                "share/man/man8/ballastctl.8")


def install_documents(source, target):
    for name in DOCUMENTS:
        target.copy(source.path(name),
                    "share/doc/ballast/" + os.path.basename(name))
    folder = source.path("examples")
    for name in sorted(os.listdir(folder)):
        if name.endswith((".cc", ".textproto")):
            target.copy(os.path.join(folder, name),
                        "share/doc/ballast/examples/" + name)


def main():
    parser = argparse.ArgumentParser(
        usage="./bazelw run //:install -- [--prefix=DIR]",
        description=__doc__, add_help=True, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", default="/usr/local", metavar="DIR",
                        help="where to (default: %(default)s)")
    options = parser.parse_args()
    # Not where Bazel runs this: where it was called.
    home = os.environ.get("BUILD_WORKING_DIRECTORY", os.getcwd())
    prefix = os.path.expanduser(options.prefix)
    destdir = os.environ.get("DESTDIR", "")
    if not prefix:
        fail("--prefix is empty: a folder is needed")
    if destdir and not os.path.isabs(prefix):
        fail(f"--prefix={prefix}: with DESTDIR it must begin with /")
    prefix = os.path.normpath(os.path.join(home, prefix))
    if destdir:
        destdir = os.path.normpath(os.path.join(home, destdir))

    source = Source(runfiles())
    target = Target(prefix, destdir)
    try:
        install_library(source, target, source.text("examples/packaging/VERSION").strip())
        install_programs(source, target)
        install_documents(source, target)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}"
             " (another --prefix, or more privilege?)")
    print(f"installed {target.count} files in {target.root}")


main()
