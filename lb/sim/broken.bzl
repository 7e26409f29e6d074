"""Tests of the simulation itself: with a rule broken, it must say so."""

def broken_rule_test(name, breaks, invariant, deps, seeds = 100, only = None, copts = []):
    """The product with some lines of it changed: the soak must report a seed.

    The changed files' objects stand before the libraries that have the real
    ones, so that nothing else is built anew.

    Args:
      name: ends in _is_caught by custom.
      breaks: by source file (a label), a sed script that breaks a rule there.
      invariant: the one that must be reported as broken, such as "V4".
      deps: what the changed files include.
      seeds: how many may be tried.
      only: the one fault that there is; any three if None.
      copts: what the changed files are compiled with.
    """
    sources = []
    for label, script in breaks.items():
        source = "broken/%s/%s" % (name, label.split(":")[1])
        native.genrule(
            name = source + "_broken",
            srcs = [label],
            outs = [source],
            # Where the script finds nothing to change, nothing is proven.
            cmd = "sed -E '%s' $< > $@ && if cmp -s $< $@; then echo '%s: %s changes nothing in $<'; exit 1; fi" %
                  (script, name, script),
            testonly = True,
        )
        sources.append(source)
    native.cc_test(
        name = name,
        size = "small",
        srcs = sources,
        args = [
            "--seeds=%d" % seeds,
            "--expect=%s" % invariant,
        ] + (["'--only=%s'" % only] if only else []),
        copts = copts,
        linkstatic = True,
        deps = deps + [":soak_main"],
    )
