#include "lb/config/validate_check.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lb/config/default_check.h"
#include "lb/config/hex_bytes.h"
#include "lb/config/known.h"
#include "lb/config/token.h"

namespace ballast::config {
namespace {

constexpr uint32_t kPortMin = 3;
constexpr uint32_t kPortMax = 65535;
constexpr size_t kUrlMax = 126;
constexpr size_t kHostMax = 253;
constexpr int kCodesMax = 300;
constexpr size_t kPatternMax = 1024;
constexpr int kHeadersMax = 4;
constexpr size_t kHeaderMax = 512;
constexpr size_t kPostDataMax = 2047;
constexpr uint32_t kMatchLengthMax = 8000;

// The model's enums have the proto's order, but for DEFAULT.
static_assert(static_cast<int>(CheckType::kTcp) == proto::CONNECT - 1);
static_assert(static_cast<int>(CheckType::kHttps) == proto::HTTPS - 1);
static_assert(static_cast<int>(CheckType::kTelnet) == proto::TELNET - 1);
static_assert(static_cast<int>(CheckType::kBinary) == proto::BINARY - 1);
static_assert(static_cast<int>(CheckType::kDns) == proto::DNS - 1);
static_assert(static_cast<int>(CheckMethod::kOptions) ==
              proto::HealthCheck::OPTIONS);

bool IsHttp(CheckType type) {
  return type == CheckType::kHttp || type == CheckType::kHttps;
}

class CheckReader {
 public:
  CheckReader(const std::string& path, const proto::HealthCheck& from,
              const PoolOwner& owner, HealthCheck& check, Problems& problems)
      : path_(path),
        from_(from),
        owner_(owner),
        check_(check),
        problems_(problems) {}

  void Read() {
    check_.method = Known<CheckMethod>(At("method"), from_.method(),
                                       proto::HealthCheck::OPTIONS, problems_);
    const uint32_t match_length = problems_.InRange(
        At("match_length"), from_.match_length(), 0, kMatchLengthMax);
    ReadUrl();
    ReadPattern();
    ReadHost();
    ReadHeaders();
    ReadCodes();
    if (NotLonger("post_data", from_.post_data(), kPostDataMax)) {
      check_.post_data = from_.post_data();
    }
    const HealthCheck none;
    if (check_.type == CheckType::kBinary) {
      check_.match_length = match_length;
    } else {
      WarnUnused("match_length", match_length != 0, "type is not BINARY");
    }
    if (IsHttp(check_.type)) {
      check_.http11 = from_.http11();
      WarnUnused(
          "post_data",
          !check_.post_data.empty() && check_.method != CheckMethod::kPost,
          "method is not POST");
      WarnUnused("pattern",
                 !check_.pattern.empty() &&
                     check_.method != CheckMethod::kGet &&
                     check_.method != CheckMethod::kPost,
                 "method is neither GET nor POST");
      return;
    }
    constexpr char kNotHttp[] = "type is neither HTTP nor HTTPS";
    WarnUnused("method", check_.method != none.method, kNotHttp);
    WarnUnused("http11", from_.http11(), kNotHttp);
    WarnUnused("host", !from_.host().empty(), kNotHttp);
    WarnUnused("codes", from_.codes_size() > 0, kNotHttp);
    WarnUnused("headers", from_.headers_size() > 0, kNotHttp);
    WarnUnused("post_data", !from_.post_data().empty(), kNotHttp);
    check_.method = none.method;
    check_.host.clear();
    check_.codes.clear();
    check_.headers.clear();
    check_.post_data.clear();
    if (check_.type == CheckType::kBinary) return;
    WarnUnused("url", !from_.url().empty(), "the type has no use for it");
    WarnUnused("pattern", !from_.pattern().empty(),
               "the type has no use for it");
    check_.url.clear();
    check_.pattern.clear();
  }

 private:
  std::string At(const char* field) const {
    return absl::StrCat(path_, ".", field);
  }
  void WarnUnused(const char* field, bool set, const char* why) {
    if (set) problems_.Warn(At(field), absl::StrCat("has no effect: ", why));
  }
  bool NotLonger(const char* field, const std::string& text, size_t max) {
    if (text.size() <= max) return true;
    problems_.Error(
        At(field),
        absl::StrCat(text.size(), " characters, must be at most ", max));
    return false;
  }

  void ReadUrl() {
    const std::string& url = from_.url();
    if (!NotLonger("url", url, kUrlMax)) return;
    if (check_.type == CheckType::kBinary) {
      check_.url = ReadHex("url", url);
      return;
    }
    check_.url = url.empty() ? "/" : url;
    const bool good =
        std::all_of(check_.url.begin(), check_.url.end(),
                    [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
    if (check_.url[0] == '/' && good) return;
    // Of other types it may yet be BINARY's.
    if (!IsHttp(check_.type) && BytesOfHex(url)) return;
    problems_.Error(At("url"),
                    absl::StrCat(Quoted(url),
                                 ", must begin with a / and have no blanks, # "
                                 "or bytes beyond ASCII"));
  }

  std::string ReadHex(const char* field, const std::string& text) {
    auto bytes = BytesOfHex(text);
    if (bytes) return *std::move(bytes);
    problems_.Error(At(field), absl::StrCat(Quoted(text),
                                            ", must be hex digits in pairs, "
                                            "blanks between them"));
    return "";
  }

  void ReadPattern() {
    if (!NotLonger("pattern", from_.pattern(), kPatternMax)) return;
    if (check_.type == CheckType::kBinary) {
      check_.pattern = ReadHex("pattern", from_.pattern());
      return;
    }
    check_.pattern = from_.pattern();
    if (!IsHttp(check_.type)) return;
    // As lb/health reads it.
    re2::RE2::Options options(re2::RE2::Latin1);
    options.set_log_errors(false);
    const re2::RE2 pattern(check_.pattern, options);
    if (pattern.ok()) return;
    problems_.Error(At("pattern"), absl::StrCat(Quoted(check_.pattern),
                                                ", is no regular expression: ",
                                                pattern.error()));
  }

  void ReadHost() {
    const std::string& host = from_.host();
    if (!NotLonger("host", host, kHostMax)) return;
    const bool good = std::all_of(host.begin(), host.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
             absl::StrContains("-._:[]", c);
    });
    if (!good) {
      problems_.Error(At("host"),
                      absl::StrCat(Quoted(host),
                                   ", must be a host's name or address, with a "
                                   "port if wanted"));
    }
    check_.host = host;
    if (check_.type == CheckType::kHttp) {
      WarnUnused("host", !host.empty() && !from_.http11(), "http11 is not set");
    }
    if (!host.empty() || !from_.http11() || !owner_.address) return;
    const std::string own = owner_.address->ToString();
    check_.host = owner_.address->is_v4() ? own : absl::StrCat("[", own, "]");
  }

  void ReadHeaders() {
    if (from_.headers_size() > kHeadersMax) {
      problems_.Error(At("headers"),
                      absl::StrCat(from_.headers_size(),
                                   " of them, must be at most ", kHeadersMax));
      return;
    }
    for (int i = 0; i < from_.headers_size(); ++i) {
      const std::string& header = from_.headers(i);
      const std::string path = absl::StrCat(At("headers"), "[", i, "]");
      const size_t colon = header.find(':');
      const absl::string_view name =
          absl::string_view(header).substr(0, std::min(colon, header.size()));
      const absl::string_view value =
          absl::StripAsciiWhitespace(absl::string_view(header).substr(
              colon == std::string::npos ? header.size() : colon + 1));
      const bool printable =
          std::none_of(value.begin(), value.end(), [](char c) {
            return (static_cast<unsigned char>(c) < ' ' && c != '\t') ||
                   c == '\x7f';
          });
      if (colon == std::string::npos || !IsToken(name) || !printable ||
          header.size() > kHeaderMax) {
        problems_.Error(path, absl::StrCat(Quoted(header),
                                           ", must be \"Name: value\" of at "
                                           "most ",
                                           kHeaderMax, " characters"));
      } else if (IsFraming(name)) {
        problems_.Error(path, absl::StrCat(Quoted(header),
                                           ", must be another field: the check "
                                           "sets this one"));
      } else {
        check_.headers.emplace_back(name, value);
      }
    }
  }

  bool IsFraming(absl::string_view name) const {
    for (const char* own : {"Content-Length", "Transfer-Encoding", "Connection",
                            "Upgrade", "Expect", "TE", "Trailer"}) {
      if (absl::EqualsIgnoreCase(name, own)) return true;
    }
    return from_.http11() && absl::EqualsIgnoreCase(name, "Host");
  }

  void ReadCodes() {
    if (from_.codes_size() > kCodesMax) {
      problems_.Error(At("codes"),
                      absl::StrCat(from_.codes_size(),
                                   " of them, must be at most ", kCodesMax));
      return;
    }
    for (int i = 0; i < from_.codes_size(); ++i) {
      check_.codes.push_back(static_cast<int>(problems_.InRange(
          absl::StrCat(At("codes"), "[", i, "]"), from_.codes(i), 300, 599)));
    }
  }

  const std::string& path_;
  const proto::HealthCheck& from_;
  const PoolOwner& owner_;
  HealthCheck& check_;
  Problems& problems_;
};

void ReadPort(const std::string& path, const proto::HealthCheck& from,
              const PoolOwner& owner, const std::vector<RealServer>& servers,
              HealthCheck& check, Problems& problems) {
  check.port = static_cast<uint16_t>(
      problems.InRangeOr(path, from.port(), kPortMin, kPortMax, 0));
  if (check.type == CheckType::kNone || check.type == CheckType::kIcmp) {
    if (check.port != 0) {
      problems.Warn(path, "has no effect: the check is of no port");
      check.port = 0;
    }
    return;
  }
  if (check.port != 0 || owner.port != 0) return;
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].endpoint.port != 0) continue;
    problems.Error(path, absl::StrCat("0, must be a port: neither the service "
                                      "nor its real_servers[",
                                      i, "] has one"));
    return;
  }
}

}  // namespace

HealthCheck ValidateCheck(const std::string& path,
                          const proto::HealthCheck& from,
                          const ServiceDefaults& defaults,
                          const PoolOwner& owner,
                          const std::vector<RealServer>& servers,
                          Problems& problems) {
  HealthCheck check;
  const auto type = Known<proto::CheckType>(absl::StrCat(path, ".type"),
                                            from.type(), proto::DNS, problems);
  check.type = type == proto::DEFAULT
                   ? DefaultCheckType(owner.protocol, owner.port,
                                      owner.terminates_tls, owner.reencrypts)
                   : static_cast<CheckType>(static_cast<int>(type) - 1);
  ReadPort(absl::StrCat(path, ".port"), from, owner, servers, check, problems);
  CheckReader(path, from, owner, check, problems).Read();
  const uint32_t timeout_s =
      problems.InRangeOr(absl::StrCat(path, ".timeout_s"), from.timeout_s(), 4,
                         60, defaults.check_timeout_s);
  const uint32_t retry_count =
      problems.InRangeOr(absl::StrCat(path, ".retry_count"), from.retry_count(),
                         2, 15, defaults.check_retry_count);
  const std::string interval_path = absl::StrCat(path, ".interval_s");
  uint32_t interval_s =
      problems.InRangeOr(interval_path, from.interval_s(), 9, 120, 0);
  const uint32_t min = CheckIntervalMin(timeout_s, retry_count);
  if (interval_s == 0) {
    interval_s = std::max(defaults.check_interval_s, min);
  } else if (interval_s < min) {
    problems.Error(
        interval_path,
        absl::StrCat(interval_s, ", must be at least ", min, ", retry_count ",
                     retry_count, " * timeout_s ", timeout_s, " + 1"));
  }
  check.interval = absl::Seconds(interval_s);
  check.timeout = absl::Seconds(timeout_s);
  check.retry_count = static_cast<int>(retry_count);
  return check;
}

}  // namespace ballast::config
