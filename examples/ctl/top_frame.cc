#include "examples/ctl/top_frame.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/status_text.h"
#include "examples/ctl/text_table.h"

namespace ballast::ctl {
namespace {

using admin::proto::Server;
using admin::proto::Service;
using admin::proto::Status;
using admin::proto::Traffic;

// The greater comes first: requests or connections a second, then bytes, then
// what is open.
std::tuple<double, double, uint64_t> RateOf(const Traffic& traffic) {
  return {
      std::max(traffic.requests_per_second(), traffic.connections_per_second()),
      traffic.bytes_per_second(), traffic.open_connections()};
}

template <class T>
void SortByRate(std::vector<T>& all) {
  std::stable_sort(all.begin(), all.end(), [](const T& a, const T& b) {
    return RateOf(a.second->traffic()) > RateOf(b.second->traffic());
  });
}

std::vector<std::string> RateCells(const Traffic& traffic) {
  return {Short(traffic.connections_per_second()),
          Short(traffic.requests_per_second()),
          Short(traffic.packets_per_second()),
          Short(traffic.bytes_per_second() * 8),
          Short(static_cast<double>(traffic.open_connections()))};
}

using Lines = std::vector<TopLine>;

// The lines of a table, those of what is down marked.
Lines LinesOf(const TextTable& table, const std::vector<bool>& down) {
  Lines lines;
  const std::string text = table.ToString();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() && !lines.empty()) continue;
    const size_t row = lines.size();
    lines.push_back({std::string(line), row == 0        ? TopLine::kHead
                                        : down[row - 1] ? TopLine::kBad
                                                        : TopLine::kPlain});
  }
  return lines;
}

Lines Services(const Status& status) {
  std::vector<std::pair<int, const Service*>> all;
  for (const Service& service : status.services()) all.push_back({0, &service});
  SortByRate(all);
  TextTable table({"NEW/S>", "REQ/S>", "PKT/S>", "BIT/S>", "OPEN>", "STATE",
                   "UP>", "SERVICE", "NAME"});
  std::vector<bool> down;
  for (const auto& [unused, service] : all) {
    int up = 0;
    int real = 0;
    for (const Server& server : service->servers()) {
      real += server.kind() == "real";
      up += server.kind() == "real" && server.up();
    }
    std::vector<std::string> cells = RateCells(service->traffic());
    cells.push_back(!service->enabled() ? "disabled"
                    : service->up()     ? "up"
                                        : "DOWN");
    cells.push_back(absl::StrCat(up, "/", real));
    cells.push_back(Printable(service->id()));
    cells.push_back(Printable(service->name()));
    table.AddRow(std::move(cells));
    down.push_back(service->enabled() && !service->up());
  }
  return LinesOf(table, down);
}

Lines Servers(const Status& status) {
  std::vector<std::pair<const Service*, const Server*>> all;
  for (const Service& service : status.services()) {
    for (const Server& server : service.servers()) {
      all.push_back({&service, &server});
    }
  }
  SortByRate(all);
  TextTable table({"NEW/S>", "REQ/S>", "PKT/S>", "BIT/S>", "OPEN>", "STATE",
                   "WEIGHT>", "SERVER", "OF", "NAME"});
  std::vector<bool> down;
  for (const auto& [service, server] : all) {
    std::vector<std::string> cells = RateCells(server->traffic());
    cells.push_back(server->up() || server->state() == "disabled"
                        ? StateOf(*server)
                        : "DOWN");
    cells.push_back(absl::StrCat(server->weight()));
    cells.push_back(Printable(server->id()));
    cells.push_back(Printable(
        absl::StrCat(service->id(), server->sub_service().empty() ? "" : " ",
                     server->sub_service())));
    cells.push_back(Printable(server->name()));
    table.AddRow(std::move(cells));
    down.push_back(!server->up() && server->state() != "disabled");
  }
  return LinesOf(table, down);
}

std::string RoleText(const Status& status) {
  const auto& pair = status.pair();
  if (!pair.configured()) {
    return status.active() ? "a unit by itself" : "not serving";
  }
  std::string text =
      absl::StrCat(Printable(pair.role()), " (", Printable(pair.reason()), ")");
  if (!pair.partner_icon_reason().empty()) {
    absl::StrAppend(&text,
                    ", partner: ", Printable(pair.partner_icon_reason()));
  }
  if (pair.role() != "active" && !pair.plain()) {
    absl::StrAppend(&text, pair.complete() ? ", in sync" : ", not in sync");
  }
  return text;
}

// "no_service 5 (+2/s)", those that grow first.
std::string DropsText(const TopView& view) {
  std::map<std::string, uint64_t> before;
  if (view.before != nullptr) {
    for (const auto& one : view.before->dropped_frames()) {
      before[one.name()] = one.count();
    }
  }
  std::vector<std::tuple<double, uint64_t, std::string>> all;
  for (const auto& one : view.now->dropped_frames()) {
    const uint64_t since =
        one.count() - std::min(one.count(), before[one.name()]);
    all.push_back({view.before != nullptr && view.seconds > 0
                       ? static_cast<double>(since) / view.seconds
                       : 0,
                   one.count(), Printable(one.name())});
  }
  std::sort(all.rbegin(), all.rend());
  std::string text = "dropped";
  for (const auto& [rate, count, name] : all) {
    absl::StrAppend(&text, " ", name, "=", count,
                    rate > 0 ? absl::StrCat(" (+", Short(rate), "/s)") : "");
  }
  return all.empty() ? "dropped none" : text;
}

// The first of the lines, and how many are not among them.
void AppendSome(Lines lines, size_t room, Lines& all) {
  if (room == 0) return;
  if (lines.size() > room) {
    const size_t more = lines.size() - room + 1;
    lines.resize(room - 1);
    lines.push_back({absl::StrCat("... and ", more, " more")});
  }
  for (TopLine& line : lines) all.push_back(std::move(line));
}

}  // namespace

Lines TopFrame(const TopView& view, size_t width, size_t height) {
  Lines lines;
  if (view.now != nullptr) {
    const Status& now = *view.now;
    const Traffic sum = SumOf(now);
    int up = 0;
    for (const Service& service : now.services()) up += service.up();
    lines.push_back({absl::StrCat("ballastctl top  ", Printable(now.time()),
                                  "  ", RoleText(now))});
    lines.push_back(
        {absl::StrCat("generation ", now.generation(), ", services up ", up,
                      " of ", now.services_size(), ", ", now.connections(),
                      " connections, ", sum.open_connections(), " open")});
    lines.push_back(
        {absl::StrCat(Short(sum.connections_per_second()), " new/s, ",
                      Short(sum.requests_per_second()), " requests/s, ",
                      Short(sum.packets_per_second()), " packets/s, ",
                      Short(sum.bytes_per_second() * 8), " bit/s")});
    lines.push_back({DropsText(view)});
  }
  if (!view.error.empty()) {
    for (const absl::string_view line : absl::StrSplit(view.error, '\n')) {
      lines.push_back({Printable(line), TopLine::kBad});
    }
  }
  if (view.now != nullptr) {
    lines.push_back({""});
    Lines services = Services(*view.now);
    Lines servers = Servers(*view.now);
    const size_t room = height - std::min(height, lines.size() + 1);
    const size_t of_services =
        services.size() + servers.size() <= room
            ? services.size()
            : std::min(
                  services.size(),
                  std::max(room / 2, room - std::min(room, servers.size())));
    AppendSome(std::move(services), of_services, lines);
    lines.push_back({""});
    AppendSome(std::move(servers), room - of_services, lines);
  }
  if (lines.size() > height) lines.resize(height);
  for (TopLine& line : lines) {
    // By characters, as far as one is one cell.
    size_t cells = 0;
    size_t end = 0;
    while (end < line.text.size()) {
      if ((line.text[end] & 0xc0) != 0x80 && cells++ == width) break;
      ++end;
    }
    line.text.resize(end);
  }
  return lines;
}

}  // namespace ballast::ctl
