#include "examples/ctl/inspect_text.h"

#include "absl/strings/str_cat.h"
#include "examples/ctl/text_table.h"

namespace ballast::ctl {

std::string ConnectionsText(const admin::proto::Connections& connections) {
  TextTable table({"CLIENT", "DESTINATION", "SERVER", "SOURCE", "STATE",
                   "IDLE>", "SERVICE", "SUB SERVICE", ""});
  for (const auto& one : connections.connections()) {
    table.AddRow({Printable(one.client()), Printable(one.destination()),
                  one.server().empty() ? "-" : Printable(one.server()),
                  Printable(one.source()), Printable(one.state()),
                  absl::StrCat(one.idle_seconds(), "s"),
                  Printable(one.service()), Printable(one.sub_service()),
                  one.synced() ? "synced" : ""});
  }
  return absl::StrCat(table.ToString(),
                      connections.more() ? "there are more\n" : "");
}

std::string PersistenceText(const admin::proto::PersistenceEntries& entries) {
  TextTable table(
      {"SERVICE", "SUB SERVICE", "MODE", "KEY", "SERVER", "EXPIRES>"});
  for (const auto& one : entries.entries()) {
    table.AddRow({Printable(one.service()), Printable(one.sub_service()),
                  Printable(one.mode()), Printable(one.key()),
                  Printable(one.server()),
                  absl::StrCat(one.expires_in(), "s")});
  }
  return absl::StrCat(table.ToString(),
                      entries.more() ? "there are more\n" : "");
}

std::string ExplanationText(const admin::proto::Explanation& explanation) {
  std::string text = absl::StrCat(explanation.server().empty()
                                      ? "refused"
                                      : Printable(explanation.server()),
                                  ": ", Printable(explanation.reason()), "\n");
  if (!explanation.service().empty()) {
    absl::StrAppend(&text, "service ", Printable(explanation.service()),
                    explanation.sub_service().empty() ? "" : ", sub service ",
                    Printable(explanation.sub_service()), ", schedule ",
                    Printable(explanation.schedule()), "\n");
  }
  for (const std::string& step : explanation.steps()) {
    absl::StrAppend(&text, "  ", Printable(step), "\n");
  }
  return text;
}

}  // namespace ballast::ctl
