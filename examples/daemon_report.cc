#include "examples/daemon_report.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ballast {
namespace {

std::string Rates(const Traffic& t) {
  return absl::StrFormat("%.0f new/s %.0f packets/s %.3g Mbit/s",
                         t.connections_per_second, t.packets_per_second,
                         t.bytes_per_second * 8 / 1e6);
}

// Of layer 7.
std::string Requests(const Traffic& t) {
  if (t.requests == 0) return "";
  return absl::StrFormat(", %d requests (%d persisted), %.0f requests/s",
                         t.requests, t.persisted, t.requests_per_second);
}

// For the line of statistics.
std::string PairWords(const PairStatistics& pair) {
  if (!pair.configured) return "";
  std::string text = absl::StrCat(", ", pair.role, " (", pair.reason, ")");
  if (pair.plain) return text;
  absl::StrAppend(&text,
                  pair.role == "active" ? ""
                  : pair.complete       ? " in sync"
                                        : " not in sync",
                  ", lag ", pair.lag, ", took_over_incomplete ",
                  pair.took_over_incomplete);
  const auto count = [&](const char* what, uint64_t times) {
    if (times > 0) absl::StrAppend(&text, ", ", what, " ", times);
  };
  count("handed_over_incomplete", pair.left_untold);
  count("changes_dropped", pair.overflow);
  count("not_sent", pair.send_failed);
  count("l7_dropped", pair.l7_dropped);
  count("refused", pair.refused);
  return text;
}

using Counts = std::vector<std::pair<std::string, uint64_t>>;

void AddCounts(absl::string_view what, const Counts& counts,
               std::vector<std::string>& lines) {
  if (counts.empty()) return;
  std::string line(what);
  for (const auto& [name, count] : counts) {
    absl::StrAppend(&line, " ", name, "=", count);
  }
  lines.push_back(std::move(line));
}

// Of persistence mode UDP_SIP.
std::string MessageWords(const ServiceStatistics& service) {
  if (service.followed == 0 && service.keyless == 0) return "";
  return absl::StrCat(", followed ", service.followed, ", without key ",
                      service.keyless);
}

}  // namespace

std::string StatisticsLine(const Statistics& statistics) {
  size_t up = 0;
  Traffic sum;
  for (const ServiceStatistics& service : statistics.services) {
    up += service.up;
    sum.connections_per_second += service.traffic.connections_per_second;
    sum.packets_per_second += service.traffic.packets_per_second;
    sum.bytes_per_second += service.traffic.bytes_per_second;
  }
  std::string drops;
  for (const auto& [reason, count] : statistics.drops) {
    absl::StrAppend(&drops, drops.empty() ? "" : " ", reason, "=", count);
  }
  return absl::StrCat(
      "stats: services ", up, "/", statistics.services.size(), " up, ",
      statistics.connections, " connections, ", Rates(sum), ", forwarded ",
      statistics.packets_forwarded, ", dropped ", drops.empty() ? "0" : drops,
      statistics.kernel_receive_dropped > 0
          ? absl::StrCat(", lost before us ", statistics.kernel_receive_dropped)
          : "",
      statistics.address_conflicts > 0
          ? absl::StrCat(", address conflicts ", statistics.address_conflicts)
          : "",
      PairWords(statistics.pair));
}

std::vector<std::string> StatisticsLines(const Statistics& statistics) {
  std::vector<std::string> lines;
  AddCounts("proxies:", statistics.proxy_events, lines);
  for (const ServiceStatistics& service : statistics.services) {
    std::string limited;
    for (const auto& [limit, count] : service.limited) {
      absl::StrAppend(&limited, limited.empty() ? ", limited " : " ", limit,
                      "=", count);
    }
    lines.push_back(absl::StrCat(
        "service ", ProtocolName(service.protocol), " ",
        Endpoint{service.address, service.port}.ToString(), " ", service.name,
        service.enabled ? "" : " disabled", service.up ? " up" : " down",
        ", refused ", service.refused, ", stateless ", service.stateless,
        MessageWords(service), limited, Requests(service.traffic)));
    AddCounts("  events:", service.events, lines);
    for (const ServerStatistics& server : service.servers) {
      const Traffic& t = server.traffic;
      lines.push_back(absl::StrCat(
          "  server ", server.endpoint.ToString(), " ", server.name, " weight ",
          server.weight, server.up ? " up" : " down", " (", server.reason,
          "), ", t.connections, " connections, ", t.active_connections,
          " active, ", t.open_connections, " open, in ", t.packets_in,
          " packets ", t.bytes_in, " bytes, out ", t.packets_out, " packets ",
          t.bytes_out, " bytes", Requests(t),
          server.persistence_entries > 0
              ? absl::StrCat(", ", server.persistence_entries,
                             " persistence entries")
              : ""));
    }
  }
  return lines;
}

std::string PairText(const PairStatistics& pair) {
  if (!pair.configured) return "no pair is configured\n";
  std::string text = absl::StrCat("role ", pair.role, " (", pair.reason,
                                  ")\nthis unit: ", pair.status,
                                  "\npartner: ", pair.partner, "\n");
  if (pair.role != "active" && !pair.plain) {
    absl::StrAppend(&text, pair.complete ? "in sync" : "not in sync",
                    ", behind by ", pair.lag, " datagrams\n");
  }
  if (!pair.plain) {
    absl::StrAppend(&text, "transfer ", pair.transfer_records, " of about ",
                    pair.transfer_total, "\n");
  }
  absl::StrAppend(&text, "records sent ", pair.records_sent, ", received ",
                  pair.records_received, "; datagrams repaired ", pair.repaired,
                  "; changes dropped ", pair.overflow, "; messages not sent ",
                  pair.send_failed, "; messages refused ", pair.refused);
  for (const auto& [reason, count] : pair.refused_by_reason) {
    absl::StrAppend(&text, " ", reason, "=", count);
  }
  absl::StrAppend(&text, "\nlayer 7 entries told ", pair.l7_told, ", taken ",
                  pair.l7_taken, ", stale ", pair.l7_stale, ", dropped ",
                  pair.l7_dropped, ", waiting ", pair.l7_waiting);
  absl::StrAppend(&text, "\nrole changes ", pair.role_changes,
                  ", took over incomplete ", pair.took_over_incomplete,
                  ", handed over incomplete ", pair.left_untold, "\n");
  return text;
}

}  // namespace ballast
