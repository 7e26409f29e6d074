#include "examples/ipvs_settings.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

using Words = std::vector<absl::string_view>;

absl::StatusOr<uint32_t> Number(const Words& words, size_t at) {
  uint32_t value;
  if (at >= words.size() || !absl::SimpleAtoi(words[at], &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(words[0], ": ", at < words.size() ? words[at] : "nothing",
                     ", must be a number"));
  }
  return value;
}

// A service's line (-A) or a server's (-a), as far as it matters here.
struct Line {
  bool server = false;
  absl::string_view key;  // Of the service, as written.
  std::optional<IpvsServiceKey> service;
  bool nat = false;
  const char* left_out = nullptr;  // Why.
};

absl::StatusOr<Line> ParseLine(const Words& words) {
  Line line;
  line.server = words[0] == "-a" || words[0] == "--add-server";
  if (!line.server && words[0] != "-A" && words[0] != "--add-service") {
    return absl::InvalidArgumentError(absl::StrCat(
        words[0], ": only -A and -a, as `ipvsadm -Sn` writes them"));
  }
  for (size_t i = 1; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    const bool has_value = i + 1 < words.size();
    if (word == "-t" || word == "-u" || word == "--tcp-service" ||
        word == "--udp-service") {
      if (!has_value) break;
      line.key = words[++i];
      const auto endpoint = Endpoint::Parse(line.key);
      if (!endpoint.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(word, ": ", endpoint.status().message()));
      }
      line.service.emplace(word == "-u" || word == "--udp-service" ? 17 : 6,
                           *endpoint);
    } else if (word == "-f" || word == "--fwmark-service") {
      if (!has_value) break;
      line.key = words[++i];
      line.left_out = "a capture does not show firewall marks";
    } else if (word == "--sctp-service") {
      if (!has_value) break;
      line.key = words[++i];
      line.left_out = "SCTP";
    } else if (word == "-p" || word == "--persistent") {
      line.left_out = "persistent: its templates are not replayed";
    } else if (word == "-o" || word == "--ops") {
      line.left_out = "one-packet connections are never sent";
    } else if (word == "-m" || word == "--masquerading") {
      line.nat = true;
    }
  }
  if (line.key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(words[0], ": names no service"));
  }
  return line;
}

class Parser {
 public:
  absl::Status Parse(absl::string_view text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number_;
      const absl::Status status = ParseOne(line);
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", number_, ": ", status.message()));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<IpvsSettings> Finish() {
    if (!has_threshold_) {
      return absl::InvalidArgumentError("sync_threshold: missing");
    }
    for (const auto& [key, service] : services_) {
      if (service.reason.empty() && !service.nat) {
        LeaveOut(service, "it has no server");
      } else if (service.reason.empty()) {
        settings_.nat[service.key] = *service.nat;
      } else {
        LeaveOut(service, service.reason);
      }
    }
    if (settings_.nat.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "no service to replay", settings_.left_out.empty() ? "" : ": ",
          settings_.left_out.empty() ? "" : settings_.left_out[0]));
    }
    return std::move(settings_);
  }

 private:
  struct Service {
    int line = 0;
    std::string name;
    IpvsServiceKey key;
    std::string reason;  // Why it is left out.
    std::optional<bool> nat;
  };

  void LeaveOut(const Service& service, absl::string_view reason) {
    settings_.left_out.push_back(
        absl::StrCat("line ", service.line, ": ", service.name, ": ", reason));
  }

  absl::Status ParseOne(absl::string_view text) {
    const std::string spaced = absl::StrReplaceAll(text, {{"=", " "}});
    const Words words =
        absl::StrSplit(spaced, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) return absl::OkStatus();
    return words[0][0] == '-' ? ParseRule(words) : ParseSysctl(words);
  }

  absl::Status ParseSysctl(const Words& words) {
    const absl::string_view name = absl::StripPrefix(words[0], "net.ipv4.vs.");
    if (name == "sync_threshold") {
      BALLAST_ASSIGN_OR_RETURN(settings_.sync.threshold, Number(words, 1));
      BALLAST_ASSIGN_OR_RETURN(settings_.sync.period, Number(words, 2));
      has_threshold_ = true;
    } else if (name == "sync_refresh_period") {
      BALLAST_ASSIGN_OR_RETURN(settings_.sync.refresh_s, Number(words, 1));
    } else if (name == "sync_retries") {
      BALLAST_ASSIGN_OR_RETURN(settings_.sync.retries, Number(words, 1));
    } else if (name == "conn_reuse_mode") {
      BALLAST_ASSIGN_OR_RETURN(settings_.conn_reuse_mode, Number(words, 1));
    }
    return absl::OkStatus();
  }

  absl::Status ParseRule(const Words& words) {
    BALLAST_ASSIGN_OR_RETURN(const Line line, ParseLine(words));
    const std::string name(line.key);
    if (!line.server) {
      Service& service =
          services_[{line.service ? line.service->first : 0, name}];
      service.line = number_;
      service.name = name;
      if (line.service) service.key = *line.service;
      if (line.left_out != nullptr) service.reason = line.left_out;
      return absl::OkStatus();
    }
    const auto found =
        services_.find({line.service ? line.service->first : 0, name});
    if (found == services_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("-a: service ", name, " was not added before"));
    }
    Service& service = found->second;
    if (service.nat && *service.nat != line.nat) {
      service.reason = "its servers mix NAT with other methods";
    }
    service.nat = line.nat;
    return absl::OkStatus();
  }

  IpvsSettings settings_;
  // By protocol (0: other) and name as written.
  std::map<std::pair<uint8_t, std::string>, Service> services_;
  int number_ = 0;
  bool has_threshold_ = false;
};

}  // namespace

absl::StatusOr<IpvsSettings> ParseIpvsSettings(absl::string_view text) {
  Parser parser;
  BALLAST_RETURN_IF_ERROR(parser.Parse(text));
  return parser.Finish();
}

}  // namespace ballast
