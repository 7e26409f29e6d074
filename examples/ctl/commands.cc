#include "examples/ctl/commands.h"

#include "examples/ctl/change_commands.h"
#include "examples/ctl/convert_command.h"
#include "examples/ctl/inspect_commands.h"
#include "examples/ctl/key_commands.h"
#include "examples/ctl/top_command.h"
#include "examples/ctl/unit_commands.h"

namespace ballast::ctl {
namespace {

constexpr char kServerNames[] =
    "SERVICE is \"192.0.2.10:80/tcp\", \"192.0.2.10:80\" or the service's "
    "name.\n"
    "SERVER is \"192.0.2.21:80\" or the server's name; where two sub services\n"
    "have it, \"SUB_SERVICE/192.0.2.21:80\". The change is kept, given to the\n"
    "partner, and in the history.\n";

constexpr Command kCommands[] = {
    {"status", "", "--socket --json",
     "what the unit does, its role and partner", "", ShowStatus},
    {"services", "", "--socket --json", "a line for each service", "",
     ShowServices},
    {"servers", "[SERVICE]", "--socket --json",
     "a line for each server, of all services or one",
     "SLOTS are those of schedule SH that the server has, of how many by its\n"
     "weight; STARVED: under half of them. Rates are those of the last second\n"
     "or so, NEW/S of connections.\n",
     ShowServers},
    {"top", "", "--socket --once", "the busiest services and servers, live",
     "Every second, the busiest first; q ends it. What is down is bold. One\n"
     "frame, whole, where the output is no terminal.\n",
     Top},
    {"connections", "[SERVICE]", "--socket --json --client --server --limit",
     "a line for each connection, of all services or one",
     "SOURCE is whom the server sees, where that is not the client.\n",
     ShowConnections},
    {"persistence delete", "[SERVICE]",
     "--socket --json --client --key --limit",
     "takes entries out, and shows them",
     "At least one of SERVICE, --client and --key must be there. The partner\n"
     "takes those of layer 7 out, too.\n",
     DeletePersistence},
    {"persistence", "[SERVICE]", "--socket --json --client --key --limit",
     "a line for each persistence entry, of all services or one",
     "KEY is the client's address, or a digest of what its requests go by.\n",
     ShowPersistence},
    {"explain", "CLIENT DESTINATION",
     "--socket --json --udp --target --host --header",
     "why a client gets the server it gets, or none",
     "What would become of the client's next connection: asking changes\n"
     "nothing. CLIENT is \"198.51.100.7\" or \"198.51.100.7:4000\",\n"
     "DESTINATION what it asks for, \"192.0.2.10:80\".\n",
     ExplainClient},
    {"drain", "SERVICE SERVER", "--socket --json",
     "nothing new for the server but of clients that persist", kServerNames,
     DrainServer},
    {"disable", "SERVICE SERVER", "--socket --json",
     "nothing new for the server", kServerNames, DisableServer},
    {"enable", "SERVICE SERVER", "--socket --json", "the server is used again",
     kServerNames, EnableServer},
    {"weight", "SERVICE SERVER N", "--socket --json",
     "the server's weight is N, 0 to 65535", kServerNames, WeighServer},
    {"switchover", "", "--socket --json", "the active unit hands its role over",
     "A unit whose role is taken by command takes it, if it has not.\n",
     Switchover},
    {"resync", "", "--socket", "the active unit gives its whole table anew", "",
     Resync},
    {"update", "", "--socket --json",
     "the active unit gives its configuration now", "", Update},
    {"history", "", "--socket --json",
     "the configurations that are kept: when, who, what", "", ShowHistory},
    {"diff", "A B", "--socket",
     "what generation B has that A has not, by field", "", ShowDifference},
    {"rollback", "N", "--socket", "puts generation N in force again", "",
     Rollback},
    {"audit", "N", "--socket",
     "the last N lines of the audit: changes and actions", "", ShowAudit},
    {"backup", "FILE", "--socket --without-secrets",
     "writes the configuration in force to FILE",
     "A backup is one file, the whole configuration as text with its\n"
     "generation, secrets included: to start a unit anew, give it to ballastd\n"
     "--config. Certificates and keys in files of their own are not in it, "
     "nor\n"
     "what is in state_dir.\n",
     Backup},
    {"restore", "FILE", "--socket", "puts the configuration in FILE in force",
     "Of a backup that was made without secrets, those in force stay.\n",
     Restore},
    {"convert", "FORMAT [FILE]", "--interface --address --strict",
     "makes a configuration of another balancer's",
     "FORMAT is ipvsadm (what ipvsadm-save -n prints), keepalived (the\n"
     "virtual servers of keepalived.conf) or haproxy. FILE is standard input\n"
     "if it is - or not there. The configuration goes to standard output, and\n"
     "passes ballastd --check; what is not in it to standard error, a line\n"
     "each: FILE:LINE: DIRECTIVE: WHY.\n",
     Convert},
    {"key new", "", "", "prints a new key for a pair: 64 hex digits",
     "  (umask 077; ballastctl key new > /etc/ballast/pair.key)\n", KeyNew},
    {"key id", "FILE|KEY", "",
     "prints the id of each key in FILE, or of KEY itself",
     "The id of a key is no secret: it is in every message that the key has\n"
     "sealed. A KEY given as an argument can be seen by every user of the\n"
     "machine: prefer a FILE of mode 0600.\n",
     KeyId},
    {"password", "", "", "prints the hash of a password, a line of input", "",
     Password},
};

}  // namespace

absl::Span<const Command> Commands() { return kCommands; }

}  // namespace ballast::ctl
