#include "examples/ctl/convert_command.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy.h"
#include "examples/ctl/convert/ipvsadm.h"
#include "examples/ctl/convert/keepalived.h"
#include "examples/ctl/text_table.h"
#include "io/base/status_macros.h"
#include "io/file.h"
#include "lb/config/format.h"
#include "lb/config/validate.h"

namespace ballast::ctl {
namespace {

struct Format {
  absl::string_view name;
  Conversion (*convert)(absl::string_view text, const ConvertOptions& options);
};

constexpr Format kFormats[] = {
    {"ipvsadm", ConvertIpvsadm},
    {"keepalived", ConvertKeepalived},
    {"haproxy", ConvertHaproxy},
};

// Above kSourceBytesMax no more is read.
absl::StatusOr<std::string> ReadAll(const std::string& path) {
  if (path != "-") {
    BALLAST_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                             ReadFile(path, kSourceBytesMax));
    return std::string(bytes.begin(), bytes.end());
  }
  std::string text;
  char buffer[65536];
  while (text.size() <= kSourceBytesMax) {
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return absl::ErrnoToStatus(errno, "standard input");
    if (size == 0) break;
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

std::string Shown(absl::string_view directive) {
  constexpr size_t kShownMax = 80;
  return absl::StrCat(Printable(directive.substr(0, kShownMax)),
                      directive.size() > kShownMax ? "..." : "");
}

int ServerCount(const config::proto::Config& config) {
  int count = 0;
  for (const auto& service : config.virtual_services()) {
    count += service.real_servers_size();
    for (const auto& sub : service.l7().sub_services()) {
      count += sub.real_servers_size();
    }
  }
  return count;
}

}  // namespace

absl::StatusOr<Output> Convert(const Call& call) {
  const Format* format = nullptr;
  std::string names;
  for (const Format& one : kFormats) {
    if (one.name == call.arguments[0]) format = &one;
    absl::StrAppend(&names, names.empty() ? "" : ", ", one.name);
  }
  if (format == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "convert: '", call.arguments[0], "', must be one of ", names));
  }
  const std::string path(call.arguments.size() > 1 ? call.arguments[1] : "-");
  BALLAST_ASSIGN_OR_RETURN(const std::string text, ReadAll(path));
  const Conversion made = format->convert(
      text, {.interface = std::string(call.Value("--interface", "")),
             .address = std::string(call.Value("--address", ""))});

  const std::string file = path == "-" ? "standard input" : path;
  Output output("");
  std::string& said = output.remarks;
  for (const Lost& lost : made.lost) {
    absl::StrAppend(&said, file, ":", lost.line, ": ", Shown(lost.directive),
                    ": ", Printable(lost.why), "\n");
  }
  const int services = made.config.virtual_services_size();
  if (services > 0) {
    for (const std::string& advice : made.advice) {
      absl::StrAppend(&said, "note: ", advice, "\n");
    }
    absl::StrAppend(&said, config::Report(config::Validate(made.config, 1)));
    output.text = config::FormatConfig(
        made.config, absl::StrCat("Made by ballastctl convert ", format->name,
                                  " of ", Printable(file), "."));
  }
  absl::StrAppend(&said, services, " services with ", ServerCount(made.config),
                  " servers; ", made.lost.size(),
                  made.lost.size() == 1 ? " directive is" : " directives are",
                  " not carried over as they were\n");
  output.failed = services == 0 || (call.Has("--strict") && !made.lost.empty());
  return output;
}

}  // namespace ballast::ctl
