#include "examples/ctl/status_text.h"

#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "examples/ctl/text_table.h"

namespace ballast::ctl {
namespace {

using admin::proto::Server;
using admin::proto::Service;
using admin::proto::Status;
using admin::proto::Traffic;

std::string CountsText(
    const google::protobuf::RepeatedPtrField<admin::proto::Count>& counts) {
  std::string text;
  for (const auto& one : counts) {
    absl::StrAppend(&text, " ", Printable(one.name()), "=", one.count());
  }
  return text;
}

std::string UpText(bool up) { return up ? "up" : "DOWN"; }

// Real servers that are up, of how many.
std::string ServersUp(const Service& service) {
  int all = 0;
  int up = 0;
  for (const Server& server : service.servers()) {
    all += server.kind() == "real";
    up += server.kind() == "real" && server.up();
  }
  return absl::StrCat(up, "/", all);
}

std::string SlotsText(const Server& server) {
  if (!server.has_slots()) return "";
  const auto& slots = server.slots();
  return absl::StrCat(slots.slots(), "/", slots.fair_slots(),
                      slots.starved() ? " STARVED" : "");
}

std::string Title(const Service& service) {
  return absl::StrCat(Printable(service.id()),
                      service.name().empty() ? "" : " ",
                      Printable(service.name()));
}

}  // namespace

std::string StateOf(const Server& server) {
  return Printable(server.kind() == "real" ? server.state() : server.kind());
}

Traffic SumOf(const Status& status) {
  Traffic sum;
  for (const Service& service : status.services()) {
    const Traffic& t = service.traffic();
    sum.set_connections(sum.connections() + t.connections());
    sum.set_active_connections(sum.active_connections() +
                               t.active_connections());
    sum.set_open_connections(sum.open_connections() + t.open_connections());
    sum.set_requests(sum.requests() + t.requests());
    sum.set_connections_per_second(sum.connections_per_second() +
                                   t.connections_per_second());
    sum.set_requests_per_second(sum.requests_per_second() +
                                t.requests_per_second());
    sum.set_packets_per_second(sum.packets_per_second() +
                               t.packets_per_second());
    sum.set_bytes_per_second(sum.bytes_per_second() + t.bytes_per_second());
  }
  return sum;
}

std::string UnitText(const Status& status) {
  int up = 0;
  for (const Service& service : status.services()) up += service.up();
  const Traffic sum = SumOf(status);
  std::string text = absl::StrCat(
      status.active() ? "serving" : "not serving", ", generation ",
      status.generation(), ", services up ", up, " of ", status.services_size(),
      "\n", status.connections(), " connections, ",
      Short(sum.connections_per_second()), " new/s, ",
      Short(sum.requests_per_second()), " requests/s, ",
      Short(sum.packets_per_second()), " packets/s, ",
      Short(sum.bytes_per_second() * 8), " bit/s, forwarded ",
      status.forwarded_packets(), " packets\n");
  const std::string drops = CountsText(status.dropped_frames());
  absl::StrAppend(&text, "dropped", drops.empty() ? " none" : drops, "\n");
  if (status.kernel_receive_dropped() > 0 || status.kernel_send_refused() > 0) {
    absl::StrAppend(&text, "kernel: lost before us ",
                    status.kernel_receive_dropped(), ", not sent ",
                    status.kernel_send_refused(), "\n");
  }
  if (status.proxy_events_size() > 0) {
    absl::StrAppend(&text, "proxies:", CountsText(status.proxy_events()), "\n");
  }
  return text;
}

std::string ServicesText(const Status& status) {
  TextTable table({"SERVICE", "NAME", "LAYER", "STATE", "SCHEDULE", "SERVERS>",
                   "OPEN>", "NEW/S>", "REQ/S>", "PKT/S>", "BIT/S>", "REFUSED>",
                   "LIMITED"});
  for (const Service& service : status.services()) {
    const Traffic& t = service.traffic();
    table.AddRow(
        {Printable(service.id()), Printable(service.name()),
         service.layer7() ? "7" : "4",
         service.enabled() ? UpText(service.up()) : "disabled",
         Printable(absl::StrCat(service.schedule(),
                                service.fill().empty() ? "" : " ",
                                service.fill())),
         ServersUp(service), absl::StrCat(t.open_connections()),
         Short(t.connections_per_second()), Short(t.requests_per_second()),
         Short(t.packets_per_second()), Short(t.bytes_per_second() * 8),
         absl::StrCat(service.refused()), CountsText(service.limited())});
  }
  return table.ToString();
}

std::string ServersText(const Status& status, absl::string_view only) {
  TextTable table({"SERVER", "NAME", "SUB SERVICE", "STATE", "", "WEIGHT>",
                   "SLOTS", "PERSIST>", "OPEN>", "TOTAL>", "NEW/S>", "REQ/S>",
                   "BIT/S>", "REASON"});
  for (const Service& service : status.services()) {
    if (!only.empty() && service.id() != only) continue;
    table.AddLine(absl::StrCat(
        "-- ", Title(service), ", ",
        service.enabled() ? UpText(service.up()) : "disabled", ", ",
        Printable(service.schedule()), service.fill().empty() ? "" : " ",
        Printable(service.fill())));
    for (const Server& server : service.servers()) {
      const Traffic& t = server.traffic();
      table.AddRow(
          {Printable(server.id()), Printable(server.name()),
           Printable(server.sub_service()), StateOf(server),
           UpText(server.up()), absl::StrCat(server.weight()),
           SlotsText(server), absl::StrCat(server.persistence_entries()),
           absl::StrCat(t.open_connections()), absl::StrCat(t.connections()),
           Short(t.connections_per_second()), Short(t.requests_per_second()),
           Short(t.bytes_per_second() * 8), Printable(server.reason())});
    }
  }
  return table.ToString();
}

std::string HistoryText(const admin::proto::History& history) {
  std::string text;
  for (const auto& revision : history.revisions()) {
    absl::Time time;
    std::string error;
    const bool known =
        absl::ParseTime(absl::RFC3339_full, revision.time(), &time, &error);
    absl::StrAppendFormat(
        &text, "%6d  %s  %s%s%s: %s\n", revision.generation(),
        known
            ? absl::FormatTime("%Y-%m-%d %H:%M:%SZ", time, absl::UTCTimeZone())
            : Printable(revision.time()),
        Printable(revision.user()), revision.from().empty() ? "" : " from ",
        Printable(revision.from()), Printable(revision.what()));
  }
  return text;
}

}  // namespace ballast::ctl
