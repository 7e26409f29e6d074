"""One archive of a library and all that it needs of this repository.

For who links it without Bazel: Bazel itself keeps an archive for each target.
"""

def _distribution_impl(ctx):
    objects = []
    flags = []
    headers = []
    for dep in ctx.attr.deps:
        info = dep[CcInfo]
        headers.append(info.compilation_context.headers)
        for linked in info.linking_context.linker_inputs.to_list():
            flags += linked.user_link_flags
            for library in linked.libraries:
                # With --force_pic there are only those.
                objects += library.objects or library.pic_objects or []
    objects = depset(objects)

    archive = ctx.actions.declare_file("lib%s.a" % ctx.label.name)
    files = ctx.actions.args()
    files.add_all(objects)
    files.use_param_file("@%s", use_always = True)
    files.set_param_file_format("multiline")
    ctx.actions.run_shell(
        inputs = objects,
        outputs = [archive],
        # q: two members may have the same name.
        command = "rm -f $1 && ar qcsD $1 $2 && strip --strip-debug -D $1",
        arguments = [archive.path, files],
        mnemonic = "BallastArchive",
        progress_message = "Archiving %{output}",
    )

    facts = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(facts, struct(
        headers = ctx.attr.headers,
        link_flags = " ".join(flags).split(" "),
    ).to_json())
    return DefaultInfo(
        files = depset([archive, facts]),
        runfiles = ctx.runfiles(
            files = [archive, facts],
            transitive_files = depset(transitive = headers),
        ),
    )

distribution = rule(
    doc = "libNAME.a, and NAME.json with the flags to link it and its headers.",
    implementation = _distribution_impl,
    attrs = {
        "deps": attr.label_list(mandatory = True, providers = [CcInfo]),
        "headers": attr.string_list(
            mandatory = True,
            doc = "What users include, as they do; what these include follows.",
        ),
    },
)
