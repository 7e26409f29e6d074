#include "examples/learned_entries.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lb/l4/tcp_state.h"

namespace ballast {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kSctp = 132;
// IPVS's, of a template that names no timeout.
constexpr uint32_t kTemplateTimeoutS = 180;

// ip_vs_proto_sctp.c: sctp_state_name_table, sctp_timeouts.
struct SctpState {
  const char* name;
  uint32_t timeout_s;
};
constexpr std::array<SctpState, 14> kSctpStates = {{{"NONE", 2},
                                                    {"INIT1", 4},
                                                    {"INIT", 61},
                                                    {"COOKIE_SENT", 61},
                                                    {"COOKIE_REPLIED", 61},
                                                    {"COOKIE_WAIT", 61},
                                                    {"COOKIE", 61},
                                                    {"COOKIE_ECHOED", 61},
                                                    {"ESTABLISHED", 900},
                                                    {"SHUTDOWN_SENT", 61},
                                                    {"SHUTDOWN_RECEIVED", 61},
                                                    {"SHUTDOWN_ACK_SENT", 61},
                                                    {"REJECTED", 4},
                                                    {"CLOSED", 61}}};

bool IsTemplate(const ha::SyncRecord& record) {
  return record.kind == ha::SyncRecord::Kind::kTemplate;
}

std::string ProtocolText(uint8_t protocol) {
  switch (protocol) {
    case 0:
      return "IP";  // A firewall mark's template.
    case kTcp:
      return "TCP";
    case kUdp:
      return "UDP";
    case kSctp:
      return "SCTP";
    default:
      return absl::StrCat(protocol);
  }
}

// Of what ha::ReadIpvsMessage() gives: its states are in range.
std::string StateText(const ha::SyncRecord& record) {
  if (IsTemplate(record)) return record.state == 0 ? "NONE" : "ASSURED";
  switch (record.protocol) {
    case kTcp:
      return l4::TcpStateName(static_cast<l4::TcpState>(record.state));
    case kSctp:
      return kSctpStates[record.state].name;
    default:
      return ProtocolText(record.protocol);
  }
}

absl::Duration TimeoutOf(const ha::SyncRecord& record) {
  uint32_t seconds = record.timeout_s;
  if (seconds == 0) {
    if (IsTemplate(record)) {
      seconds = kTemplateTimeoutS;
    } else if (record.protocol == kTcp) {
      seconds = l4::IpvsTcpTimeout(static_cast<l4::TcpState>(record.state));
    } else if (record.protocol == kSctp) {
      seconds = kSctpStates[record.state].timeout_s;
    } else {
      seconds = l4::kIpvsUdpTimeout;
    }
  }
  return absl::Seconds(int64_t{seconds});
}

const char* MethodText(const ha::SyncRecord& record) {
  switch (record.flags & ha::kForwardMask) {
    case ha::kForwardNat:
      return "NAT";
    case ha::kForwardLocal:
      return "local";
    case ha::kForwardTunnel:
      return "tunnel";
    case ha::kForwardDirect:
      return "direct";
    case ha::kForwardBypass:
      return "bypass";
    default:
      return "?";
  }
}

}  // namespace

LearnedEntries::Outcome LearnedEntries::Take(Instant now,
                                             const ha::IpvsEntry& from) {
  const ha::SyncRecord& record = from.record;
  Key key{IsTemplate(record), record.protocol, record.client,
          record.virtual_service, from.options.pe_data};
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= limit_) return Outcome::kRefused;
    entries_.emplace(std::move(key),
                     Entry{.record = record, .heard = now, .times = 1});
    if (IsTemplate(record)) ++templates_;
    return Outcome::kNew;
  }
  Entry& entry = found->second;
  if (!IsTemplate(record) && entry.record.server != record.server) {
    if ((record.flags & ha::kInactive) != 0) return Outcome::kIgnored;
    entry = {.record = record, .heard = now, .times = 1};
    return Outcome::kReplaced;
  }
  entry.record = record;
  entry.heard = now;
  ++entry.times;
  return Outcome::kKnown;
}

size_t LearnedEntries::Expire(Instant now) {
  size_t count = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (now - it->second.heard < TimeoutOf(it->second.record)) {
      ++it;
      continue;
    }
    if (IsTemplate(it->second.record)) --templates_;
    it = entries_.erase(it);
    ++count;
  }
  return count;
}

std::string LearnedEntries::Summary() const {
  std::map<std::string, size_t> states;
  for (const auto& [key, entry] : entries_) {
    if (!std::get<0>(key)) ++states[StateText(entry.record)];
  }
  std::string text = absl::StrCat(connections(), " connections");
  const char* before = " (";
  for (const auto& [state, count] : states) {
    absl::StrAppend(&text, before, count, " ", state);
    before = ", ";
  }
  if (!states.empty()) text += ")";
  return absl::StrCat(text, ", ", templates_, " templates");
}

std::vector<std::string> LearnedEntries::Lines(Instant now,
                                               size_t count_max) const {
  const auto line = [](absl::string_view protocol, absl::string_view expires,
                       absl::string_view state, absl::string_view client,
                       absl::string_view virtual_service,
                       absl::string_view server, absl::string_view more) {
    return absl::StrFormat("%-4s %-7s %-12s %-22s %-22s %-22s %s", protocol,
                           expires, state, client, virtual_service, server,
                           more);
  };
  std::vector<std::string> lines = {line("pro", "expire", "state", "client",
                                         "virtual", "server",
                                         "method, times told")};
  for (const auto& [key, entry] : entries_) {
    if (lines.size() > count_max) break;
    const ha::SyncRecord& record = entry.record;
    const int64_t left_s = std::max<int64_t>(
        0, absl::ToInt64Seconds(TimeoutOf(record) - (now - entry.heard)));
    std::string more = absl::StrCat(MethodText(record), " ", entry.times);
    if (IsTemplate(record)) absl::StrAppend(&more, " template");
    if ((record.flags & ha::kFromSync) != 0) absl::StrAppend(&more, " synced");
    if (record.fwmark != 0) absl::StrAppend(&more, " fwmark ", record.fwmark);
    if (const std::string& data = std::get<4>(key); !data.empty()) {
      absl::StrAppend(&more, " \"", absl::CEscape(data), "\"");
    }
    lines.push_back(line(ProtocolText(record.protocol),
                         absl::StrFormat("%d:%02d", left_s / 60, left_s % 60),
                         StateText(record), record.client.ToString(),
                         record.virtual_service.ToString(),
                         record.server.ToString(), more));
  }
  return lines;
}

}  // namespace ballast
