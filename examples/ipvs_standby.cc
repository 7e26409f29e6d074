// Stands beside a live Linux IPVS master: lists what it tells of its
// connections, and takes them over when told to. See kHelp.
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "examples/standby_listener.h"
#include "examples/standby_server.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"

ABSL_FLAG(std::string, interface, "",
          "The link on which the master's sync messages come in.");
ABSL_FLAG(std::string, serve, "",
          "The configuration to serve with: lb/config/ballast.proto in text or "
          "JSON form. Without it, nothing is served.");
ABSL_FLAG(std::string, group, "224.0.0.81",
          "Without --serve: the master's --mcast-group.");
ABSL_FLAG(int, port, 8848, "Without --serve: its --mcast-port.");
ABSL_FLAG(int, ports, 1,
          "Without --serve: its net.ipv4.vs.sync_ports, that many ports from "
          "--port on; 1..64.");
ABSL_FLAG(int, syncid, -1,
          "Without --serve: which messages count, by its --syncid, 1..255; 0 "
          "or -1: all.");
ABSL_FLAG(int, entries_max, 1'000'000,
          "Without --serve: what is heard beyond is not kept.");

namespace ballast {
namespace {

constexpr char kHelp[] =
    "Stands beside a live Linux IPVS master, on which this runs:\n"
    "  ipvsadm --start-daemon master --mcast-interface eth0 --syncid 5\n"
    "\n"
    "  ipvs_standby --interface=eth0\n"
    "    lists the connections and persistence templates that the master tells "
    "of.\n"
    "    Each second a line of totals; SIGUSR1 prints the table, SIGTERM and "
    "SIGINT\n"
    "    print it and end. Sends nothing but the group's membership reports.\n"
    "\n"
    "  ipvs_standby --interface=eth0 --serve=CONFIG\n"
    "    serves: a unit whose configuration has ha { wire: PLAIN plain { "
    "election:\n"
    "    BY_COMMAND } }. It stands by and learns; commands are lines of "
    "standard input:\n"
    "      take    it is active from now on, with the connections it learned\n"
    "      give    it stands by again\n"
    "      resync  active: tells all its connections, to a director that came "
    "anew\n"
    "      list    its connections\n"
    "      quit    as SIGTERM\n"
    "    SIGUSR1 lists, SIGUSR2 takes or gives. Whoever commands sees to it "
    "that one\n"
    "    of the two directors has the addresses at a time.\n"
    "\n"
    "A master tells of a connection at its third packet and each 50th after "
    "that\n"
    "(sysctl net.ipv4.vs.sync_threshold): one from before this program started "
    "is\n"
    "heard of when it has come so far. With sync_threshold \"3 0\" and\n"
    "sync_refresh_period 2 it is at its next packet after two seconds.";

absl::Status CheckRange(const char* name, int value, int from, int to) {
  if (value >= from && value <= to) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, "=", value, ": must be ", from, " to ", to));
}

absl::StatusOr<StandbyListenerOptions> OptionsFromFlags() {
  StandbyListenerOptions options;
  options.interface = absl::GetFlag(FLAGS_interface);
  const int port = absl::GetFlag(FLAGS_port);
  options.ports = absl::GetFlag(FLAGS_ports);
  const int syncid = absl::GetFlag(FLAGS_syncid);
  const int entries_max = absl::GetFlag(FLAGS_entries_max);
  BALLAST_RETURN_IF_ERROR(CheckRange("ports", options.ports, 1, 64));
  BALLAST_RETURN_IF_ERROR(CheckRange("port", port, 1, 65536 - options.ports));
  BALLAST_RETURN_IF_ERROR(CheckRange("syncid", syncid, -1, 255));
  BALLAST_RETURN_IF_ERROR(
      CheckRange("entries_max", entries_max, 1, 100'000'000));
  const std::string group = absl::GetFlag(FLAGS_group);
  BALLAST_ASSIGN_OR_RETURN(options.group.address, Address::Parse(group));
  if (!options.group.address.is_multicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--group=", group, ": must be a multicast address"));
  }
  options.group.port = static_cast<uint16_t>(port);
  if (syncid > 0) options.syncid = static_cast<uint8_t>(syncid);
  options.entries_max = static_cast<size_t>(entries_max);
  return options;
}

absl::Status Run() {
  const std::string interface = absl::GetFlag(FLAGS_interface);
  if (interface.empty()) {
    return absl::InvalidArgumentError("--interface is needed; see --help");
  }
  const std::string config = absl::GetFlag(FLAGS_serve);
  if (!config.empty()) return ServeAsStandby(config, interface);
  BALLAST_ASSIGN_OR_RETURN(const StandbyListenerOptions options,
                           OptionsFromFlags());
  return ListenToMaster(options);
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(ballast::kHelp);
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = ballast::Run();
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "ipvs_standby: %s\n", status.ToString());
  return 1;
}
