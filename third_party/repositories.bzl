"""What Ballast is built of: Debian's packages, as repositories."""

load(":absl.bzl", "absl_repository")
load(":system.bzl", "system_repository")

_PACKAGES = {
    "boost": "boost",
    "boringssl": "boringssl",
    "com_github_google_benchmark": "benchmark",
    "com_google_googletest": "googletest",
    "com_google_protobuf": "protobuf",
    "com_googlesource_code_re2": "re2",
    "liburing": "liburing",
}

def ballast_repositories(path = "."):
    """Defines those that the workspace does not define itself.

    Args:
      path: where Ballast's source tree is.
    """
    local = {
        "bazel_skylib": "/usr/share/bazel/tools/skylib",
        "platforms": "/usr/share/bazel/tools/platforms",
        "remote_coverage_tools": path + "/third_party/remote_coverage_tools",
        "rules_cc": path + "/third_party/rules_cc",
        "rules_java": "/usr/share/bazel/rules/java",
        "rules_proto": "/usr/share/bazel/rules/proto",
    }
    for name, folder in local.items():
        if not native.existing_rule(name):
            native.local_repository(name = name, path = folder)
    for name, package in _PACKAGES.items():
        if not native.existing_rule(name):
            system_repository(
                name = name,
                build_file = Label("//third_party:%s.BUILD" % package),
            )
    if not native.existing_rule("com_google_absl"):
        absl_repository(name = "com_google_absl")
