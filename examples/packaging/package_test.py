#!/usr/bin/env python3
"""The Debian packages: what is in them, that dpkg installs, upgrades, removes
and purges them (in a copy of this machine's root that is thrown away), that the
service's description is sound, and that its capabilities are enough.

Arguments: the installer, debian/rules, ballastd.service.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

# In a mount namespace of its own: / below a writable layer that goes with it.
IN_A_COPY = r"""
set -e
mount -t tmpfs tmpfs "$1/layer"
cd "$1/layer" && mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t tmpfs tmpfs root/run
mount -t proc proc root/proc
mkdir -p root/run/package && cp "$1"/*.deb root/run/package/
chroot root /bin/sh -e -c "$2"
"""
LIFE = r"""
export DEBIAN_FRONTEND=noninteractive
dpkg -i /run/package/ballast_*.deb
file=/etc/ballast/ballast.textproto
echo "user: $(id -un ballast) $(stat -c '%U %a' /etc/ballast $file | xargs)"
if command -v systemd-analyze >/dev/null; then
  systemd-analyze verify ballastd.service && echo "unit: sound"
else
  echo "unit: SKIPPED: no systemd-analyze here"
fi
find /etc/systemd -name 'ballastd*' | sed 's/^/enabled: /'
condition=$(sed -n 's/^ExecCondition=//p' /lib/systemd/system/ballastd.service)
eval "$condition" && echo "starts without a configuration"
echo 'threads: 1' >>$file
eval "$condition" && echo "condition: configured"
dpkg -i /run/package/ballast_*.deb
tail -1 $file | sed 's/^/kept: /'
dpkg -r ballast && test -e $file
dpkg -P ballast && test ! -e /etc/ballast && echo "purged: all"
"""
# A veth in a network namespace; the daemon as nobody, with capabilities $2.
SERVE = r"""
set -e
ip link add lan0 type veth peer name peer0
ip addr add 192.0.2.1/24 dev lan0
ip link set lo up && ip link set lan0 up && ip link set peer0 up
chown nobody "$3"
exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs \
  --inh-caps=-all,"$2" --ambient-caps=-all,"$2" --bounding-set=-all,"$2" \
  "$1" --log=json --claim_at_once --config="$3/configuration"
"""
CONFIGURATION = """
state_dir: "{folder}/state"
interfaces {{ name: "lan0" }}
punt_interface: "punt0"
virtual_services {{ address: "192.0.2.10" port: 80
  real_servers {{ address: "192.0.2.21" }} }}
"""
LOW_PORT = """
virtual_services { address: "127.0.0.1" port: 80 l7 { host_address: true }
  real_servers { address: "127.0.0.1" port: 9 } }
"""


def check(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def run(*command, code=0, **kwargs):
    """Standard output and error of `command`, which ends with `code`."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **kwargs)
    check(code in (None, done.returncode),
          f"{' '.join(command[:3])}: {done.returncode}\n{done.stdout}")
    return done.stdout


def build(scratch, install, rules, service):
    source = f"{scratch}/source"
    shutil.copytree(os.path.dirname(os.path.realpath(rules)),
                    f"{source}/debian")
    run("make", "-f", "debian/rules", "binary", f"INSTALL={install}",
        f"SERVICE={service}", cwd=source)
    return sorted(f"{scratch}/{name}" for name in os.listdir(scratch)
                  if name.endswith(".deb"))


def test_contents(daemon, library):
    info = run("dpkg-deb", "-I", daemon)
    depends = re.search(r"Depends: (.*)", info).group(1)
    for package in ("adduser", "android-libboringssl", "libabsl20220623",
                    "libc6", "libprotobuf32", "liburing2"):
        check(package in depends, f"{package}: {depends}")
    check("-dev" not in depends, depends)
    check(run("dpkg-deb", "-I", daemon, "conffiles") ==
          "/etc/ballast/ballast.textproto\n", "conffiles")
    contents = run("dpkg-deb", "-c", daemon)
    for name in ("usr/bin/ballastd", "usr/bin/ballastctl",
                 "lib/systemd/system/ballastd.service",
                 "etc/ballast/ballast.textproto",
                 "usr/share/doc/ballast/copyright",
                 "usr/share/man/man8/ballastd.8.gz"):
        check(f" ./{name}\n" in contents, f"{name}: {contents}")
    check(all(" root/root " in line for line in contents.splitlines()),
          contents)
    contents = run("dpkg-deb", "-c", library)
    for name in ("usr/lib/libballast.a", "usr/lib/pkgconfig/ballast.pc",
                 "usr/include/ballast/lb/balancer.h"):
        check(f" ./{name}\n" in contents, f"{name}: {contents}")


def test_life(scratch):
    os.mkdir(f"{scratch}/layer")
    said = run("unshare", "-m", "/bin/sh", "-c", IN_A_COPY, "copy", scratch,
               LIFE)
    if "SKIPPED" in said:
        print("SKIPPED: no systemd-analyze here: ballastd.service unchecked")
    else:
        check("unit: sound\n" in said, said)
    for line in ("user: ballast ballast 750 ballast 640",
                 "condition: configured", "kept: threads: 1", "purged: all"):
        check(f"{line}\n" in said, f"{line}: {said}")
    for line in ("enabled: ", "starts without a configuration"):
        check(line not in said, f"{line}: {said}")


def serve(scratch, program, capabilities, text):
    """The log's events of a daemon that has those capabilities alone."""
    folder = tempfile.mkdtemp(dir=scratch)
    with open(f"{folder}/configuration", "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(folder=folder) + text)
    words = ",".join("+" + c.removeprefix("CAP_").lower()
                     for c in capabilities)
    process = subprocess.Popen(
        ["unshare", "-n", "/bin/sh", "-c", SERVE, "serve", program, words,
         folder], text=True, stderr=subprocess.PIPE)
    events = []
    for line in process.stderr:
        events.append(line)
        if '"event":"serving"' in line:
            process.terminate()
    process.wait()
    return "".join(events)


def test_capabilities(scratch, program, service):
    with open(service, encoding="utf-8") as file:
        text = file.read()
    given = re.search(r"^AmbientCapabilities=(.*)", text, re.M).group(1).split()
    bounds = re.search(r"^CapabilityBoundingSet=(.*)", text, re.M).group(1)
    check(given == bounds.split(), "bounding set")
    os.chmod(scratch, 0o755)
    copy = shutil.copy(program, scratch)  # Where nobody may read it.
    said = serve(scratch, copy, given, LOW_PORT)
    check('"event":"serving"' in said and '"event":"ended"' in said, said)
    # Each is needed.
    for capability in given:
        fewer = [c for c in given if c != capability]
        said = serve(scratch, copy, fewer, LOW_PORT)
        check('"event":"cannot_serve"' in said, f"without {capability}: {said}")
    said = serve(scratch, copy, ["CAP_NET_RAW", "CAP_NET_ADMIN"], "")
    check('"event":"ended"' in said, f"two, without layer 7: {said}")


def main():
    install, rules, service = (os.path.abspath(a) for a in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="ballast_package.") as scratch:
        daemon, library = build(scratch, install, rules, service)
        test_contents(daemon, library)
        if os.geteuid() != 0 or run("unshare", "-mn", "true", code=None):
            print("SKIPPED: not root, or no namespaces: the package is not"
                  " installed anywhere, nor the daemon run")
            return
        test_life(scratch)
        test_capabilities(scratch, os.path.abspath("examples/ballastd"),
                          service)
    print("passed")


main()
