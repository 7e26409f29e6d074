#!/usr/bin/env python3
"""The library as people outside of this tree use it: installed, a program with
CMake and one with pkg-config; from its sources, one with Bazel. Each is run.

Bazel compiles of the library what a small program needs: for the README's it
only works out how it would be built, since all of it takes minutes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(consumer CXX)
find_package(ballast 0.1 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer ballast::ballast)
"""
WORKSPACE = """
local_repository(name = "ballast", path = "{root}")
load("@ballast//third_party:repositories.bzl", "ballast_repositories")
ballast_repositories(path = "{root}")
"""
BUILD = """
cc_binary(name = "consumer", srcs = ["main.cc"], deps = ["@ballast//:ballast"])
"""
# What this program prints to an embedder's user: no host has a lan0.
NO_LINK = 'no link named "lan0"'


def check(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def run(*command, code=0, **kwargs):
    """Standard output and error of `command`, which ends with `code`."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **kwargs)
    check(code in (None, done.returncode),
          f"{' '.join(command)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def test_install(install, scratch):
    """Returns where it is in the end: what is installed can be moved."""
    there = dict(os.environ, BUILD_WORKING_DIRECTORY=scratch)
    output = run(install, "--help", env=there)
    check("--prefix" in output and "DESTDIR" in output, output)
    output = run(install, "--prefx=/x", code=2, env=there)
    check("--prefx=/x" in output, output)
    output = run(install, "--prefix=", code=1, env=there)
    check("--prefix is empty" in output, output)
    write(f"{scratch}/file", "")
    output = run(install, "--prefix=file/x", code=1, env=there)
    check("file/x" in output and "Traceback" not in output, output)
    output = run(install, "--prefix=x", code=1,
                 env=dict(there, DESTDIR="stage"))
    check("must begin with /" in output, output)

    run(install, "--prefix=/opt/ballast", env=dict(there, DESTDIR="stage"))
    check(os.listdir(f"{scratch}/stage") == ["opt"], "DESTDIR")
    run(install, "--prefix=here", env=there)
    run(install, "--prefix=here", env=there)  # Over itself.
    check(run("diff", "-r", "stage/opt/ballast", "here", cwd=scratch) == "",
          "the prefix is in a file")
    os.rename(f"{scratch}/here", f"{scratch}/there")
    return f"{scratch}/there"


def test_contents(prefix, root):
    """Nothing in it names a folder of the machine it was built on."""
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                data = file.read()
            for place in (root, os.path.dirname(prefix), "/execroot/"):
                check(place.encode() not in data, f"{path} has {place}")
    headers = run("find", "-name", "*.h", cwd=f"{prefix}/include/ballast")
    check("./lb/balancer.h\n" in headers, headers)
    for private in ("lb/run/unit.h", "_test", "fake_"):
        check(private not in headers, f"{private} is installed")
    output = run(f"{prefix}/bin/ballastd", "--check",
                 f"--config={prefix}/share/doc/ballast/examples/"
                 "ballast.textproto")
    check("good" in output, output)
    check("usage: ballastctl" in run(f"{prefix}/bin/ballastctl", "--help"),
          "ballastctl --help")


def test_every_header(prefix, scratch):
    """Those of the interface compile, in one translation unit."""
    with open("examples/packaging/ballast.json", encoding="utf-8") as facts:
        public = json.load(facts)["headers"]
    check(len(public) > 10, public)
    write(f"{scratch}/headers/all.cc",
          "".join(f'#include "{header}"\n' for header in public))
    run("g++", "-std=c++20", "-Wall", "-Wextra", "-fsyntax-only",
        f"-I{prefix}/include/ballast", f"{scratch}/headers/all.cc")


def test_cmake(prefix, scratch, source):
    if shutil.which("cmake") is None:
        print("SKIPPED: no cmake here: nothing is built with CMake")
        return
    folder = f"{scratch}/cmake"
    write(f"{folder}/CMakeLists.txt", CMAKE)
    shutil.copy(source, f"{folder}/main.cc")
    configure = ["cmake", "-S", folder, "-B", f"{folder}/build",
                 f"-DCMAKE_PREFIX_PATH={prefix}"]
    run(*configure)
    run("cmake", "--build", f"{folder}/build")
    output = run(f"{folder}/build/consumer", code=2)
    check(NO_LINK in output, output)

    # Another minor version may have another interface.
    write(f"{folder}/CMakeLists.txt", CMAKE.replace(" 0.1 ", " 0.2 "))
    output = run(*configure, code=1)
    check("version: 0.1" in output, output)


def test_pkg_config(prefix, scratch, source):
    env = dict(os.environ, PKG_CONFIG_PATH=f"{prefix}/lib/pkgconfig")
    flags = run("pkg-config", "--cflags", "--libs", "ballast", env=env).split()
    program = f"{scratch}/in_memory"
    run("g++", "-std=c++20", source, *flags, "-o", program)
    output = run(program)
    check(output.count("\nout port") + output.startswith("out port") == 2,
          output)


def test_bazel(scratch, root, source):
    folder = f"{scratch}/bazel"
    write(f"{folder}/WORKSPACE", WORKSPACE.format(root=root))
    write(f"{folder}/BUILD.bazel", BUILD)
    shutil.copy(source, f"{folder}/main.cc")
    env = dict(os.environ)
    env.pop("TEST_TMPDIR")  # Bazel takes it to mean that it is being tested.
    bazel = ["bazel", "--nohome_rc", f"--output_base={scratch}/base",
             "--host_jvm_args=-Xmx512m", "--max_idle_secs=30"]
    options = ["--cxxopt=-std=c++20", "--spawn_strategy=local",
               "--color=no", "--curses=no"]
    try:
        run(*bazel, "build", *options, "--nobuild", "//:consumer", cwd=folder,
            env=env)
        output = run(*bazel, "run", *options, "@ballast//examples:slots", "--",
                     "1000", "1000", "1000", "1000", cwd=folder, env=env)
        check("1096" in output, output)  # As the vendor's page has it.
        run(*bazel, "build", *options,
            "@ballast//lb/config:change_record_proto_protoc", cwd=folder,
            env=env)
        include = run("grep", "-rh", "^#include.*change_record.pb.h",
                      "bazel-bin/external/ballast/lb/config/", cwd=folder)
        check(include == '#include "lb/config/change_record.pb.h"\n', include)
    finally:
        run(*bazel, "shutdown", code=None, cwd=folder, env=env)
        run("chmod", "-R", "u+w", f"{scratch}/base", code=None)


def main():
    install, readme, in_memory, readme_program = (
        os.path.abspath(a) for a in sys.argv[1:])
    root = os.path.dirname(os.path.realpath(readme))
    with tempfile.TemporaryDirectory(prefix="ballast_install.") as scratch:
        prefix = test_install(install, scratch)
        test_contents(prefix, root)
        test_every_header(prefix, scratch)
        test_cmake(prefix, scratch, readme_program)
        test_pkg_config(prefix, scratch, in_memory)
        test_bazel(scratch, root, readme_program)
    print("passed")


main()
