"""Maps Debian's libabsl-dev to Abseil's own labels.

Each target is what pkg-config says of `absl_NAME`; add a name to its folder
here to use it.
"""

_TARGETS = {
    "absl/algorithm": ["container"],
    "absl/base": ["core_headers", "endian"],
    "absl/cleanup": ["cleanup"],
    "absl/container": [
        "fixed_array",
        "flat_hash_map",
        "flat_hash_set",
        "inlined_vector",
        "node_hash_map",
    ],
    "absl/flags": ["flag", "parse", "usage"],
    "absl/functional": ["any_invocable", "function_ref"],
    "absl/hash": ["hash"],
    "absl/memory": ["memory"],
    "absl/numeric": ["bits", "int128"],
    "absl/random": ["random"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["cord", "str_format", "strings"],
    "absl/time": ["time"],
    "absl/types": ["optional", "span", "variant"],
}

# Labels whose pkg-config file has another name.
_PC_NAMES = {
    "absl/algorithm:container": "absl_algorithm_container",
    "absl/flags:flag": "absl_flags",
    "absl/flags:parse": "absl_flags_parse",
    "absl/flags:usage": "absl_flags_usage",
    "absl/random:random": "absl_random_random",
}

_TARGET = """
cc_library(
    name = "{name}",
    linkopts = {linkopts},
)
"""

def _absl_repository_impl(ctx):
    for folder, names in _TARGETS.items():
        text = 'package(default_visibility = ["//visibility:public"])\n'
        for name in names:
            pc = _PC_NAMES.get(folder + ":" + name, "absl_" + name)
            result = ctx.execute(["pkg-config", "--libs", pc])
            if result.return_code != 0:
                fail("pkg-config %s: %s (run ./bazelw, which installs libabsl-dev)" % (pc, result.stderr))
            flags = [f for f in result.stdout.split(" ") if f.strip()]
            text += _TARGET.format(
                name = name,
                linkopts = repr([f.strip() for f in flags]),
            )
        ctx.file(folder + "/BUILD.bazel", text)
    ctx.file("WORKSPACE", "")

absl_repository = repository_rule(
    implementation = _absl_repository_impl,
    local = True,
)
