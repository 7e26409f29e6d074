"""ballast_bench: a Google Benchmark program that is smoke-run as a test."""

def ballast_bench(name, srcs, deps, smoke_args = [], **kwargs):
    """NAME measures: ./bazelw run //bench:NAME. NAME_smoke only sees that it runs.

    Args:
      name: ends in _bench by custom.
      srcs: open with the question they answer; main comes from the library.
      deps: what they use.
      smoke_args: for the test only, e.g. a --benchmark_filter that leaves out
        what needs minutes or gigabytes to set up.
      **kwargs: passed to cc_binary.
    """
    native.cc_binary(
        name = name,
        srcs = srcs,
        deps = deps + ["@com_github_google_benchmark//:benchmark_main"],
        **kwargs
    )
    native.sh_test(
        name = name + "_smoke",
        size = "medium",
        srcs = [":" + name],
        args = ["--benchmark_min_time=0.001"] + smoke_args,
        tags = [
            "bench",
            "noasan",
        ],
    )
