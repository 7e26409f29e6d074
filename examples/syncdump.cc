// What directors tell each other, out of a capture: every IPVS sync record,
// what our policy would have sent in the captured director's place, or every
// CARP advert, as CSV. See kHelp.
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "examples/ipvs_replay.h"
#include "examples/ipvs_settings.h"
#include "ha/capture.h"
#include "ha/carp_wire.h"
#include "ha/ipvs_wire.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "io/file.h"

namespace ballast {
namespace {

constexpr char kHelp[] =
    "usage: syncdump [--port=N] [--ports=N] FILE.pcap\n"
    "       syncdump --decide --settings=FILE.settings.txt FILE.pcap\n"
    "       syncdump --carp [--password=P --address=A[,A...]] FILE.pcap\n"
    "\n"
    "Reads a classic pcap file of Ethernet without VLAN tags (tcpdump -w; a\n"
    "pcapng file first goes through editcap -F pcap) and prints CSV:\n"
    "\n"
    "  every record of every IPVS sync message (versions 0 and 1) to UDP "
    "ports\n"
    "  port .. port+ports-1. proto: IP protocol. flags, state: IPVS's "
    "numbers.\n"
    "  offset: from the beginning of the UDP payload. timeout_s: of the "
    "state;\n"
    "  0 in version 0, which has none. options: sequence=IN:OUT, three "
    "numbers\n"
    "  each; engine=NAME:DATA in hex; detail=IDLE_MS:PACKETS:SEQ:ACK\n"
    "\n"
    "  --decide: for each packet of a client to a service of the settings, "
    "what\n"
    "  this library's sync policy answers with IPVS's timeouts. synced: 1 if "
    "it\n"
    "  sends a record then. The settings are lines of `sysctl net.ipv4.vs` "
    "and\n"
    "  of `ipvsadm -Sn`\n"
    "\n"
    "  --carp: every CARP advert. mac: good or bad, by the password and the\n"
    "  shared addresses; unknown without a password\n"
    "\n"
    "t_s: seconds since the first frame. What is refused or left out is said "
    "on\n"
    "stderr, with its frame and the frame's offset in the file. Exit status: "
    "0,\n"
    "1 if a file cannot be read or is broken (what stands before is printed), "
    "2\n"
    "for wrong use.\n";

// Of a capture, which is held in memory whole.
constexpr size_t kCaptureBytesMax = size_t{1} << 30;
constexpr size_t kSettingsBytesMax = 1 << 20;
constexpr uint8_t kUdp = 17;
constexpr int kIpvsPort = 8848;

struct Arguments {
  std::string file;
  bool decide = false;
  bool carp = false;
  std::string settings;
  std::optional<std::string> password;
  std::vector<Address> addresses;
  int port = kIpvsPort;
  int ports = 1;
};

std::string When(const ha::PacketCapture& capture, int64_t when_us) {
  return absl::StrFormat("%.3f", (when_us - capture.start_us()) / 1e6);
}

void Complain(const Arguments& arguments, const ha::CapturedPacket& packet,
              absl::string_view what) {
  absl::FPrintF(stderr, "syncdump: %s: frame %d at offset %d: %s\n",
                arguments.file, packet.frame, packet.file_offset, what);
}

// -- IPVS sync records --------------------------------------------------------

std::string OptionsText(const ha::IpvsEntry& entry) {
  std::vector<std::string> options;
  if (const auto& sequence = entry.options.sequence) {
    const auto text = [](const ha::SequenceAdjust& a) {
      return absl::StrCat(a.initial, "/", a.delta, "/", a.previous_delta);
    };
    options.push_back(absl::StrCat("sequence=", text((*sequence)[0]), ":",
                                   text((*sequence)[1])));
  }
  if (!entry.options.pe_name.empty()) {
    options.push_back(
        absl::StrCat("engine=", absl::BytesToHexString(entry.options.pe_name),
                     ":", absl::BytesToHexString(entry.options.pe_data)));
  }
  if (const ha::SyncRecord& record = entry.record; record.has_detail) {
    options.push_back(absl::StrCat(
        "detail=", record.idle_ms, ":", record.client_packets, ":",
        record.client_next_sequence, ":", record.client_acknowledged));
  }
  return absl::StrJoin(options, ";");
}

void PrintRecords(const Arguments& arguments, ha::PacketCapture& capture) {
  std::puts(
      "message,t_s,version,syncid,size,nr_conns,offset,rec_size,proto,caddr,"
      "cport,vaddr,vport,daddr,dport,flags,state,timeout_s,fwmark,options");
  int message = 0;
  while (const auto packet = capture.Next()) {
    if (packet->protocol != kUdp) continue;
    if (packet->fragment) {
      // The port is in the first one only.
      Complain(arguments, *packet, "a fragment of a UDP datagram, not read");
      continue;
    }
    const auto segment = ha::SegmentOf(*packet);
    if (!segment || segment->destination_port < arguments.port ||
        segment->destination_port >= arguments.port + arguments.ports) {
      continue;
    }
    ++message;
    ha::IpvsReader reader{.any_syncid = true};
    std::vector<ha::IpvsEntry> entries;
    const auto info = ha::ReadIpvsMessage(
        segment->payload, reader,
        [&](const ha::IpvsEntry& entry) { entries.push_back(entry); });
    const std::string when = When(capture, packet->when_us);
    for (const ha::IpvsEntry& entry : entries) {
      const ha::SyncRecord& r = entry.record;
      absl::PrintF("%d,%s,%d,%d,%d,%d,%d,%d,%d,%s,%d,%s,%d,%s,%d,0x%x,%d,%d,",
                   message, when, info->version, info->syncid,
                   segment->payload.size(), info->count, entry.offset,
                   entry.size, r.protocol, r.client.address.ToString(),
                   r.client.port, r.virtual_service.address.ToString(),
                   r.virtual_service.port, r.server.address.ToString(),
                   r.server.port, r.flags, r.state, r.timeout_s);
      absl::PrintF("%d,%s\n", r.fwmark, OptionsText(entry));
    }
    for (size_t i = 0; i < ha::kIpvsReadErrorCount; ++i) {
      if (reader.errors[i] == 0) continue;
      const char* name =
          ha::IpvsReadErrorName(static_cast<ha::IpvsReadError>(i));
      Complain(arguments, *packet,
               info ? absl::StrCat("message ", message, ": entries left out: ",
                                   reader.errors[i], " ", name)
                    : absl::StrCat("message ", message, " refused: ", name));
    }
  }
}

// -- Decisions ----------------------------------------------------------------

absl::Status PrintDecisions(const Arguments& arguments,
                            ha::PacketCapture& capture) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(arguments.settings, kSettingsBytesMax));
  auto settings = ParseIpvsSettings(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!settings.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.settings, ": ", settings.status().message()));
  }
  for (const std::string& left_out : settings->left_out) {
    absl::FPrintF(stderr, "syncdump: %s: left out: %s\n", arguments.settings,
                  left_out);
  }
  std::puts(
      "t_s,proto,caddr,cport,vport,template,entry,in_pkts,state,"
      "last_synced_state,timeout_s,synced");
  IpvsReplay replay(*std::move(settings));
  while (const auto packet = capture.Next()) {
    const auto decision = replay.OnPacket(*packet);
    if (!decision) continue;
    absl::PrintF(
        "%s,%s,%s,%d,%d,0,%d,%d,%d,%d,%d,%d\n", When(capture, packet->when_us),
        decision->protocol == kUdp ? "UDP" : "TCP",
        decision->client.address.ToString(), decision->client.port,
        decision->virtual_port, decision->entry, decision->client_packets,
        decision->state, decision->last_synced_state, decision->timeout_s,
        decision->synced ? 1 : 0);
  }
  return absl::OkStatus();
}

// -- CARP ---------------------------------------------------------------------

absl::Status PrintAdverts(const Arguments& arguments,
                          ha::PacketCapture& capture) {
  if (arguments.password) {  // Says what is wrong with it before anything else.
    BALLAST_RETURN_IF_ERROR(
        ha::CarpKey::Create(*arguments.password, 1, arguments.addresses)
            .status());
  }
  std::puts(
      "t_s,source,destination,ttl,vhid,advbase,advskew,demotion,counter,digest,"
      "checksum,mac");
  std::map<uint8_t, ha::CarpKey> keys;  // By VHID.
  while (const auto packet = capture.Next()) {
    if (packet->protocol != ha::kCarpIpProtocol || packet->fragment) continue;
    const auto advert = ha::DecodeCarpAdvert(packet->payload);
    if (!advert) {
      Complain(arguments, *packet, "no CARP version 2 advert (VRRP?)");
      continue;
    }
    const char* mac = "unknown";
    if (arguments.password) {
      auto key = keys.find(advert->vhid);
      if (key == keys.end()) {
        auto made = ha::CarpKey::Create(*arguments.password, advert->vhid,
                                        arguments.addresses);
        if (made.ok()) {
          key = keys.emplace(advert->vhid, *std::move(made)).first;
        }
      }
      // VHID 0, which nobody may use, has no key.
      mac = key != keys.end() && key->second.Verify(*advert) ? "good" : "bad";
    }
    absl::PrintF("%s,%s,%s,%d,%d,%d,%d,%d,0x%016x,%s,%s,%s\n",
                 When(capture, packet->when_us), packet->source.ToString(),
                 packet->destination.ToString(), packet->ttl, advert->vhid,
                 advert->advbase, advert->advskew, advert->demotion,
                 advert->counter,
                 absl::BytesToHexString(absl::string_view(
                     reinterpret_cast<const char*>(advert->digest.data()),
                     advert->digest.size())),
                 ha::CarpChecksumGood(packet->payload) ? "good" : "bad", mac);
  }
  return absl::OkStatus();
}

// -- Arguments ----------------------------------------------------------------

absl::Status Run(const Arguments& arguments) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                           ReadFile(arguments.file, kCaptureBytesMax));
  ha::PacketCapture capture(bytes);
  absl::Status status = capture.status();
  if (status.ok()) {
    if (arguments.decide) {
      BALLAST_RETURN_IF_ERROR(PrintDecisions(arguments, capture));
    } else if (arguments.carp) {
      BALLAST_RETURN_IF_ERROR(PrintAdverts(arguments, capture));
    } else {
      PrintRecords(arguments, capture);
    }
    status = capture.status();
  }
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.file, ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Number(absl::string_view name, absl::string_view text,
                           int max) {
  int value;
  if (!absl::SimpleAtoi(text, &value) || value < 1 || value > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": \"", text, "\", must be 1 to ", max));
  }
  return value;
}

absl::StatusOr<Arguments> ParseArguments(
    const std::vector<absl::string_view>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].substr(0, 2) != "--") {
      if (!arguments.file.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("one capture at a time, not \"", words[i], "\" too"));
      }
      arguments.file = std::string(words[i]);
      continue;
    }
    // --name=value, or --name value.
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    const absl::string_view name = parts.first;
    if (name == "--decide" || name == "--carp") {
      (name == "--carp" ? arguments.carp : arguments.decide) = true;
      continue;
    }
    if (name != "--settings" && name != "--password" && name != "--address" &&
        name != "--port" && name != "--ports") {
      return absl::InvalidArgumentError(
          absl::StrCat(words[i], ": no such option"));
    }
    absl::string_view value = parts.second;
    if (name == words[i]) {
      if (++i == words.size()) {
        return absl::InvalidArgumentError(absl::StrCat(name, ": no value"));
      }
      value = words[i];
    }
    if (name == "--settings") {
      arguments.settings = std::string(value);
    } else if (name == "--password") {
      arguments.password = std::string(value);
    } else if (name == "--port") {
      BALLAST_ASSIGN_OR_RETURN(arguments.port, Number(name, value, 65535));
    } else if (name == "--ports") {
      BALLAST_ASSIGN_OR_RETURN(arguments.ports, Number(name, value, 64));
    } else {
      for (const absl::string_view text : absl::StrSplit(value, ',')) {
        BALLAST_ASSIGN_OR_RETURN(const Address address, Address::Parse(text));
        arguments.addresses.push_back(address);
      }
    }
  }
  if (arguments.file.empty()) {
    return absl::InvalidArgumentError("names no capture");
  }
  if (arguments.decide && arguments.carp) {
    return absl::InvalidArgumentError("--decide and --carp: one of them");
  }
  if (arguments.decide == arguments.settings.empty()) {
    return absl::InvalidArgumentError("--decide and --settings go together");
  }
  if (arguments.password.has_value() != !arguments.addresses.empty() ||
      (arguments.password && !arguments.carp)) {
    return absl::InvalidArgumentError(
        "--carp, --password and --address go together");
  }
  return arguments;
}

int Main(const std::vector<absl::string_view>& words) {
  for (const absl::string_view word : words) {
    if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
  }
  const auto arguments = ParseArguments(words);
  if (!arguments.ok()) {
    absl::FPrintF(stderr, "syncdump: %s\nTry --help.\n",
                  arguments.status().message());
    return 2;
  }
  if (const absl::Status status = Run(*arguments); !status.ok()) {
    std::fflush(stdout);
    absl::FPrintF(stderr, "syncdump: %s\n", status.message());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  return ballast::Main({argv + 1, argv + argc});
}
