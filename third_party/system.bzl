"""A repository whose headers and libraries come from Debian packages."""

def _system_repository_impl(ctx):
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")
    ctx.file("WORKSPACE", "")

system_repository = repository_rule(
    implementation = _system_repository_impl,
    attrs = {"build_file": attr.label(mandatory = True)},
)
