// Sends IPVS sync messages as our codec writes them; for tests against a kernel
// that listens. Lines of standard input, empty ones and comments (#) left out:
//
//   VERSION,SYNCID,PROTO,CADDR,CPORT,VADDR,VPORT,DADDR,DPORT,FLAGS,STATE,
//       TIMEOUT_S,FWMARK[,PE_NAME=PE_DATA]     (one line; flags hexadecimal)
//   send                                       (what came since the last)
//   raw HEX                                    (these bytes, as they are)
//
//   ipvs_sender INTERFACE GROUP:PORT <LINES
//
// Entries of one message must share VERSION and SYNCID. Exit status 1: a line
// that is none of these, or did not fit; 2: usage.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ha/ipvs_wire.h"
#include "ha/sync_record.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "io/udp_multicast.h"

namespace ballast {
namespace {

class Sender {
 public:
  explicit Sender(UdpMulticast socket) : socket_(std::move(socket)) {}

  absl::Status Take(absl::string_view line) {
    if (line.empty() || line.front() == '#') return absl::OkStatus();
    if (line == "send") return Flush();
    if (absl::StartsWith(line, "raw ")) {
      const std::string bytes = absl::HexStringToBytes(line.substr(4));
      return socket_.Send(std::vector<uint8_t>(bytes.begin(), bytes.end()));
    }
    return Add(line);
  }

 private:
  absl::Status Flush() {
    if (writer_ == nullptr) {
      return absl::InvalidArgumentError("send: nothing to send");
    }
    const absl::Status sent = socket_.Send(writer_->Take());
    writer_.reset();
    return sent;
  }

  absl::Status Add(absl::string_view line) {
    const std::vector<std::string> fields = absl::StrSplit(line, ',');
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(line, ": ", what));
    };
    if (fields.size() != 13 && fields.size() != 14) return wrong("13 fields");
    const auto endpoint = [&](size_t at) -> absl::StatusOr<Endpoint> {
      BALLAST_ASSIGN_OR_RETURN(const Address address,
                               Address::Parse(fields[at]));
      uint32_t port;
      if (!absl::SimpleAtoi(fields[at + 1], &port)) return wrong("port");
      return Endpoint{address, static_cast<uint16_t>(port)};
    };
    uint32_t version, syncid, protocol, state;
    ha::SyncRecord record;
    if (!absl::SimpleAtoi(fields[0], &version) ||
        !absl::SimpleAtoi(fields[1], &syncid) ||
        !absl::SimpleAtoi(fields[2], &protocol) ||
        !absl::SimpleHexAtoi(fields[9], &record.flags) ||
        !absl::SimpleAtoi(fields[10], &state) ||
        !absl::SimpleAtoi(fields[11], &record.timeout_s) ||
        !absl::SimpleAtoi(fields[12], &record.fwmark)) {
      return wrong("a field is no number");
    }
    BALLAST_ASSIGN_OR_RETURN(record.client, endpoint(3));
    BALLAST_ASSIGN_OR_RETURN(record.virtual_service, endpoint(5));
    BALLAST_ASSIGN_OR_RETURN(record.server, endpoint(7));
    record.protocol = static_cast<uint8_t>(protocol);
    record.state = static_cast<uint16_t>(state);
    record.v6 = !record.client.address.is_v4();
    if ((record.flags & ha::kTemplate) != 0) {
      record.kind = ha::SyncRecord::Kind::kTemplate;
    }
    ha::IpvsOptions options;
    if (fields.size() == 14) {
      const std::pair<std::string, std::string> engine =
          absl::StrSplit(fields[13], absl::MaxSplits('=', 1));
      options.pe_name = engine.first;
      options.pe_data = engine.second;
    }
    if (writer_ == nullptr) {
      writer_ = std::make_unique<ha::IpvsWriter>(
          ha::IpvsWriter::Options{.version = static_cast<int>(version),
                                  .syncid = static_cast<uint8_t>(syncid)});
    }
    if (!writer_->Add(record, &options)) return wrong("does not fit");
    return writer_->skipped() == 0 ? absl::OkStatus() : wrong("not writable");
  }

  UdpMulticast socket_;
  std::unique_ptr<ha::IpvsWriter> writer_;  // The message begun, if any.
};

absl::Status Run(const std::string& interface, absl::string_view group_text) {
  BALLAST_ASSIGN_OR_RETURN(const Endpoint group, Endpoint::Parse(group_text));
  BALLAST_ASSIGN_OR_RETURN(
      UdpMulticast socket,
      UdpMulticast::Open(
          {.group = group, .interface = interface, .receive = false}));
  Sender sender(std::move(socket));
  std::string line;
  while (std::getline(std::cin, line)) {
    BALLAST_RETURN_IF_ERROR(sender.Take(line));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc != 3) {
    absl::FPrintF(stderr, "usage: ipvs_sender INTERFACE GROUP:PORT <LINES\n");
    return 2;
  }
  const absl::Status status = ballast::Run(argv[1], argv[2]);
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "%s\n", status.ToString());
  return 1;
}
