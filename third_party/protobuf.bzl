"""ballast_proto_library: C++ of one .proto, made by Debian's protoc."""

def ballast_proto_library(name, src, **kwargs):
    """A cc_library of the messages in `src`, included as FOLDER/SRC.pb.h.

    Args:
      name: of the cc_library.
      src: the .proto file, which imports nothing.
      **kwargs: passed to cc_library.
    """
    stem = src[:-len(".proto")]

    # As another workspace's repository it is in a folder of that.
    root = native.repository_name().replace("@", "external/")
    root = "." if root == "external/" else root
    native.genrule(
        name = name + "_protoc",
        srcs = [src],
        outs = [
            stem + ".pb.cc",
            stem + ".pb.h",
        ],
        cmd = "protoc --proto_path={0} --cpp_out=$(GENDIR)/{0} $(SRCS)".format(root),
        message = "Generating C++ of",
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".pb.cc"],
        hdrs = [stem + ".pb.h"],
        # Generated: its warnings are protoc's business.
        copts = ["-w"],
        deps = ["@com_google_protobuf//:protobuf"],
        **kwargs
    )
