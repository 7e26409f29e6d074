"""ballast_fuzz: a libFuzzer target that is also an ordinary test."""

def ballast_fuzz(name, srcs, deps, seeds = [], **kwargs):
    """NAME under --config=fuzz fuzzes; as a test it replays and mutates seeds.

    Args:
      name: ends in _fuzz by custom.
      srcs: define LLVMFuzzerTestOneInput.
      deps: what they use.
      seeds: files given to the test run, which mutates them with a fixed seed.
      **kwargs: passed to cc_test.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = ["$(locations %s)" % seed for seed in seeds],
        data = seeds,
        deps = deps + ["//io/base:fuzz_main"],
        **kwargs
    )
