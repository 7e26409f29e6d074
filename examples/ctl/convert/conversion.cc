#include "examples/ctl/convert/conversion.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lb/config/validate.h"

namespace ballast::ctl {
namespace {

using config::proto::VirtualService;

bool IsLayer4(const VirtualService& service) { return !service.has_l7(); }

bool Translates(const VirtualService& service) {
  return IsLayer4(service) &&
         std::any_of(service.real_servers().begin(),
                     service.real_servers().end(), [](const auto& server) {
                       return server.forward() == config::proto::NAT;
                     });
}

// Of "virtual_services[12].port": 12; -1 if it is about no service.
int ServiceOf(absl::string_view path) {
  int number = -1;
  if (!absl::ConsumePrefix(&path, "virtual_services[") ||
      !absl::SimpleAtoi(path.substr(0, path.find(']')), &number)) {
    return -1;
  }
  return number;
}

}  // namespace

Ledger::Ledger(absl::string_view text) {
  if (text.size() > kSourceBytesMax) {
    conversion_.lost.push_back(
        {0, 0, "",
         absl::StrCat(text.size(), " bytes, must be at most ",
                      kSourceBytesMax)});
  } else {
    text_ = std::string(text);
    const std::vector<absl::string_view> given = absl::StrSplit(text, '\n');
    for (char& c : text_) {
      if (!absl::ascii_isascii(static_cast<unsigned char>(c))) c = '?';
    }
    lines_ = absl::StrSplit(text_, '\n');
    seen_.resize(lines_.size() + 1);
    for (int i = 1; i <= line_count(); ++i) {
      const absl::string_view words =
          absl::StripLeadingAsciiWhitespace(line(i));
      if (line(i) == given[i - 1] || words[0] == '#' || words[0] == '!') {
        continue;
      }
      Lose(i, words, "bytes beyond ASCII are taken for ?");
    }
    for (absl::string_view& line : lines_) {
      line = absl::StripSuffix(line, "\r");
    }
  }
  seen_.resize(lines_.size() + 1);
}

void Ledger::Lose(int line, absl::string_view directive,
                  absl::string_view why) {
  seen_[line] = true;
  conversion_.lost.push_back(
      {line, line, std::string(directive), std::string(why)});
}

void Ledger::LoseBlock(int line, int last_line, absl::string_view directive,
                       absl::string_view why) {
  for (int i = line; i <= last_line; ++i) seen_[i] = true;
  Lose(line, directive,
       last_line > line ? absl::StrCat("to line ", last_line, ": ", why)
                        : std::string(why));
  conversion_.lost.back().last_line = last_line;
}

void Ledger::Advise(absl::string_view text) {
  if (!advised_.insert(std::string(text)).second) return;
  conversion_.advice.emplace_back(text);
}

VirtualService* Ledger::AddService(int line, const VirtualService& service) {
  int servers = service.real_servers_size();
  for (const auto& sub : service.l7().sub_services()) {
    servers += sub.real_servers_size();
  }
  if (config()->virtual_services_size() == config::kServicesMax ||
      servers_ + servers > config::kServersMax) {
    Lose(line, absl::StrCat("service ", service.address()),
         absl::StrCat("at most ", config::kServicesMax, " services and ",
                      config::kServersMax, " servers here"));
    return nullptr;
  }
  servers_ += servers;
  service_lines_.push_back(line);
  VirtualService* const added = config()->add_virtual_services();
  *added = service;
  return added;
}

void Ledger::LeaveOutInvalid() {
  // Without one service another may be wrong, that followed it.
  while (config()->virtual_services_size() > 0) {
    const config::Validated validated = config::Validate(*config(), 1);
    std::set<int> wrong;
    for (const config::Problem& problem : validated.errors) {
      const int service = ServiceOf(problem.path);
      if (service < 0 || service >= config()->virtual_services_size()) {
        continue;
      }
      if (!wrong.insert(service).second) continue;
      const VirtualService& it = config()->virtual_services(service);
      Lose(service_lines_[service],
           absl::StrCat("service ", it.address(), " port ", it.port()),
           problem.ToString());
    }
    if (wrong.empty()) {
      if (validated.errors.empty()) return;
      // Of no service by itself: which one it is of cannot be told.
      Lose(0, "all services", validated.errors[0].ToString());
      config()->clear_virtual_services();
      service_lines_.clear();
      return;
    }
    for (auto one = wrong.rbegin(); one != wrong.rend(); ++one) {
      config()->mutable_virtual_services()->DeleteSubrange(*one, 1);
      service_lines_.erase(service_lines_.begin() + *one);
    }
  }
}

Conversion Ledger::Finish(const ConvertOptions& options) {
  for (int i = 1; i <= line_count(); ++i) {
    const absl::string_view text = absl::StripAsciiWhitespace(line(i));
    if (text.empty() || seen_[i]) continue;
    Lose(i, text.substr(0, text.find_first_of(" \t")), "is not understood");
  }
  const auto& services = config()->virtual_services();
  if (std::any_of(services.begin(), services.end(), IsLayer4)) {
    const std::string name =
        options.interface.empty() ? "eth0" : options.interface;
    config()->add_interfaces()->set_name(name);
    if (options.interface.empty()) {
      Advise(
          "interfaces: eth0 is assumed; --interface NAME says where the "
          "services' addresses are");
    }
    Advise(
        "ballastd answers for the services' addresses: the host must not have "
        "them itself");
  }
  LeaveOutInvalid();
  if (std::none_of(services.begin(), services.end(), IsLayer4)) {
    config()->clear_interfaces();
  }
  if (std::any_of(services.begin(), services.end(), Translates)) {
    Advise(
        "servers of forward NAT must send their replies by way of this unit: "
        "the address that is their gateway belongs in floating_addresses, if "
        "it is not the host's own");
  }
  std::stable_sort(
      conversion_.lost.begin(), conversion_.lost.end(),
      [](const Lost& a, const Lost& b) { return a.line < b.line; });
  return std::move(conversion_);
}

std::optional<uint32_t> ReadNumber(absl::string_view word) {
  uint32_t number;
  if (word.empty() ||
      !absl::ascii_isdigit(static_cast<unsigned char>(word[0])) ||
      !absl::SimpleAtoi(word, &number)) {
    return std::nullopt;
  }
  return number;
}

uint32_t Within(uint32_t value, uint32_t min, uint32_t max, int line,
                absl::string_view directive, Ledger& ledger) {
  const uint32_t taken = std::clamp(value, min, max);
  if (taken != value) {
    ledger.Lose(line, directive,
                absl::StrCat("must be ", min, " to ", max, " here: ", taken,
                             " is taken"));
  }
  return taken;
}

uint32_t PersistenceSeconds(uint32_t seconds, int line,
                            absl::string_view directive, Ledger& ledger) {
  constexpr uint32_t kMaxS = 28 * 86400;
  const uint32_t clamped = std::clamp(seconds, 60u, kMaxS);
  const uint32_t taken = (clamped + 59) / 60 * 60;
  if (taken != seconds) {
    ledger.Lose(line, directive,
                absl::StrCat("whole minutes to 28 days here: ", taken,
                             " seconds are taken"));
  }
  return taken;
}

std::string LabelOf(absl::string_view name) {
  std::string label;
  for (const char c : name.substr(0, 127)) {
    const bool good = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                      (!label.empty() && (c == '.' || c == '@' || c == '-'));
    if (good || !label.empty()) label.push_back(good ? c : '_');
  }
  return label;
}

bool IsCheckUrl(absl::string_view text) {
  return !text.empty() && text[0] == '/' && text.size() <= 126 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
                  c != '#';
         });
}

void SettleTimes(int line, config::proto::HealthCheck* check, Ledger& ledger) {
  const uint32_t timeout = check->timeout_s() == 0 ? 4 : check->timeout_s();
  uint32_t retries = check->retry_count() == 0 ? 2 : check->retry_count();
  // In the time of 120 seconds that an interval has at most.
  const uint32_t retries_max = std::max(119 / timeout, 1u);
  uint32_t taken_timeout = timeout;
  if (retries_max < 2) taken_timeout = 59;
  const uint32_t taken_retries =
      std::min(retries, std::max(119 / taken_timeout, 2u));
  if (taken_timeout != timeout || taken_retries != retries) {
    ledger.Lose(line, "check",
                absl::StrCat("retries * timeout must be at most 119 seconds "
                             "here: ",
                             taken_retries, " * ", taken_timeout, " is taken"));
    check->set_timeout_s(taken_timeout);
    check->set_retry_count(taken_retries);
  }
  const uint32_t least = std::max(taken_retries * taken_timeout + 1, 9u);
  if (check->interval_s() != 0 && check->interval_s() < least) {
    ledger.Lose(
        line, "check",
        absl::StrCat("its interval is ", least, " seconds, the least with ",
                     taken_retries, " retries * ", taken_timeout, " s"));
    check->set_interval_s(least);
  }
}

}  // namespace ballast::ctl
